-- The store of a publication. One text for every engine: BIGINT for ids and instants (microseconds since 1970 UTC), TEXT for
-- the rest, ids made by the program. There are no foreign keys: the ledger is history and outlives the people it names.

-- The next free number of each kind. MAX(id) + 1 would give the number of an erased person to somebody else, and with it
-- the power of every link that person was ever sent.
CREATE TABLE counters (
    name TEXT NOT NULL PRIMARY KEY, -- 'issue', 'subscriber', 'lease'
    next BIGINT NOT NULL
);
INSERT INTO counters (name, next) VALUES ('issue', 1), ('subscriber', 1), ('lease', 1);

-- Small facts about the publication itself, such as its signing key.
CREATE TABLE meta (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

-- The Lists as config.toml declared them last, so that counts can be shown without it.
CREATE TABLE lists (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    position BIGINT NOT NULL,  -- order in config.toml
    active BIGINT NOT NULL,    -- 0 once it is gone from config.toml; its Subscriptions stay
    changed_at BIGINT NOT NULL
);

CREATE TABLE subscribers (
    id BIGINT NOT NULL PRIMARY KEY,
    email_key TEXT NOT NULL UNIQUE, -- the address in lower case: a person is known once
    email TEXT NOT NULL,            -- the address as it was first written
    name TEXT,                      -- already fit for a header
    attributes TEXT NOT NULL,       -- JSON object of strings, numbers and booleans
    language TEXT,
    timezone TEXT,
    created_at BIGINT NOT NULL
);

CREATE TABLE subscriptions (
    list_id TEXT NOT NULL,
    subscriber_id BIGINT NOT NULL,
    state BIGINT NOT NULL,      -- 0 pending, 1 confirmed, 2 unsubscribed
    source TEXT NOT NULL,       -- where it came from: 'cli', 'import:2026-11-22-1', 'form'
    changed_at BIGINT NOT NULL, -- since when it is as it is
    PRIMARY KEY (list_id, subscriber_id)
);
-- All Subscriptions of a person; the primary key gives all persons of a List.
CREATE INDEX subscriptions_person ON subscriptions (subscriber_id, list_id);

-- Addresses we must not mail. Kept by address, not by person: they outlive both Subscriptions and imports.
CREATE TABLE suppressions (
    email TEXT NOT NULL PRIMARY KEY, -- in lower case
    reason TEXT NOT NULL,            -- the first reason, in words
    created_at BIGINT NOT NULL
);

CREATE TABLE issues (
    id BIGINT NOT NULL PRIMARY KEY,
    digest TEXT,             -- id of its Digest; NULL for a letter
    number BIGINT NOT NULL,  -- which number of its Digest
    subject TEXT NOT NULL,   -- as lists of Issues show it
    status TEXT NOT NULL,    -- scheduled, sending, paused, done, cancelled
    reason TEXT,             -- why it is paused
    planned BIGINT NOT NULL, -- how many Deliveries were made: the left side of the ledger's identity, counted by itself
    created_at BIGINT NOT NULL,
    scheduled_at BIGINT,     -- not before this instant
    started_at BIGINT,       -- first Delivery claimed
    finished_at BIGINT,      -- done or cancelled
    frozen TEXT NOT NULL     -- JSON of everything needed to render it; last, because it is long and seldom read
);
CREATE UNIQUE INDEX issues_number ON issues (digest, number) WHERE digest IS NOT NULL;
-- What polling looks at: the few Issues that are not over.
CREATE INDEX issues_open ON issues (status) WHERE finished_at IS NULL;

-- Which Articles a Digest has carried. The key is the promise that none is carried twice.
CREATE TABLE issue_articles (
    digest TEXT NOT NULL,
    article_id TEXT NOT NULL,
    issue_id BIGINT NOT NULL,
    PRIMARY KEY (digest, article_id)
);

-- The ledger: one row for each Issue and Subscriber.
CREATE TABLE deliveries (
    issue_id BIGINT NOT NULL,
    subscriber_id BIGINT NOT NULL,
    list_id TEXT NOT NULL,       -- as a member of this List
    state BIGINT NOT NULL,       -- 0 queued 1 leased 2 attempting 3 sent 4 deferred 5 failed 6 unknown 7 skipped 8 cancelled
    attempts BIGINT NOT NULL,    -- Attempts that may have reached the other side
    lease BIGINT,                -- while leased or attempting: the number of the lease
    next_at BIGINT,              -- while deferred: when again
    changed_at BIGINT NOT NULL,
    class TEXT,                  -- whose fault the last refusal was
    code BIGINT,                 -- its SMTP code
    reply TEXT,                  -- its text, or the reason it was left out
    PRIMARY KEY (issue_id, subscriber_id)
);
-- Partial, so that claiming and finishing cost the same in an Issue of ten and of a million.
CREATE INDEX deliveries_queued ON deliveries (issue_id, subscriber_id) WHERE state = 0;
CREATE INDEX deliveries_deferred ON deliveries (issue_id, next_at) WHERE state = 4;
CREATE INDEX deliveries_leased ON deliveries (issue_id, lease) WHERE lease IS NOT NULL;

-- Leases stand apart from what they cover, so that renewing one writes one row.
CREATE TABLE leases (
    epoch BIGINT NOT NULL PRIMARY KEY, -- never used twice: the fence
    worker TEXT NOT NULL,              -- who, for people
    issue_id BIGINT NOT NULL,
    until_at BIGINT NOT NULL           -- over at this instant
);

-- Due moments of Schedules; the key makes each fire once.
CREATE TABLE runs (
    schedule TEXT NOT NULL,
    due_at BIGINT NOT NULL,
    claimed_at BIGINT NOT NULL,
    finished_at BIGINT, -- NULL after a crash between claiming and finishing
    issue_id BIGINT,    -- the Issue it made
    note TEXT,          -- or why it made none
    PRIMARY KEY (schedule, due_at)
);
