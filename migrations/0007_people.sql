-- What is known of people beside their address: words an editor or another system gave them, when and how they agreed, and which import
-- brought them, so that an import can be taken back.

-- Tags stand between line breaks ('\nvip\nblog\n'), which no tag contains: a list of a million needs no second table of a million.
ALTER TABLE subscribers ADD COLUMN tags TEXT NOT NULL DEFAULT '';
ALTER TABLE subscribers ADD COLUMN made_by BIGINT;    -- number of the import that made them
ALTER TABLE subscribers ADD COLUMN changed_at BIGINT; -- when anybody but that import last changed them

-- When and how a person agreed to a List. The first record stays: what was agreed to later does not make it untrue.
CREATE TABLE consents (
    subscriber_id BIGINT NOT NULL,
    list_id TEXT NOT NULL,
    source TEXT NOT NULL,   -- what the other system said of it, or the import: 'https://example.org/join', 'import:2026-11-22-1', 'form'
    asked_at BIGINT,        -- when they asked for it
    asked_ip TEXT,
    confirmed_at BIGINT,    -- when they confirmed that
    confirmed_ip TEXT,
    wording TEXT,           -- what they were shown
    PRIMARY KEY (subscriber_id, list_id)
);

-- Imports, each with the tag that everybody it made or changed bears.
CREATE TABLE imports (
    id BIGINT NOT NULL PRIMARY KEY,
    tag TEXT NOT NULL UNIQUE, -- 'import:2026-11-22-1'
    file TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    finished_at BIGINT,       -- NULL while it runs, and after it was interrupted
    undone_at BIGINT
);
INSERT INTO counters (name, next) VALUES ('import', 1);

-- Subscriptions that an import confirmed and that were pending before: few, and what undoing must put back.
CREATE TABLE import_moves (
    import_id BIGINT NOT NULL,
    list_id TEXT NOT NULL,
    subscriber_id BIGINT NOT NULL,
    PRIMARY KEY (import_id, list_id, subscriber_id)
);
