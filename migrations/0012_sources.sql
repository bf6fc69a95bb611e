-- Other people's feeds and pages: how each is asked, and what came of it.

CREATE TABLE sources (
    id TEXT NOT NULL PRIMARY KEY,  -- as config.toml names it
    url TEXT NOT NULL,             -- as config.toml gave it last; another address begins without validators
    kind TEXT,                     -- what stood there last: 'feed' or 'page'
    found TEXT,                    -- the feed that the page at this address names
    moved_to TEXT,                 -- where it says it is for good
    moved_times BIGINT NOT NULL,   -- in so many answers in a row
    etag TEXT,                     -- validators, byte for byte as they came
    last_modified TEXT,
    title TEXT,                    -- as it calls itself
    home TEXT,                     -- its page for people
    rests TEXT,                    -- what the feed says of when not to ask
    baseline_at BIGINT,            -- first fetch that brought entries: those are not news
    fetched_at BIGINT,             -- last answer that was no failure
    changed_at BIGINT,             -- last that brought something
    next_at BIGINT NOT NULL,       -- not asked before this instant; also the lease of whoever is asking
    failures BIGINT NOT NULL,      -- in a row
    state TEXT NOT NULL,           -- 'active', 'paused' by hand, 'gone' (410)
    said TEXT                      -- what happened last, in words
);
CREATE INDEX sources_due ON sources (next_at) WHERE state = 'active';

-- The last requests of each, so that anybody can see how politely it is asked.
CREATE TABLE source_asks (
    source_id TEXT NOT NULL,
    at BIGINT NOT NULL,
    url TEXT NOT NULL,             -- that answered, behind redirects
    status BIGINT,                 -- of HTTP, if there was an answer
    conditional BIGINT NOT NULL,   -- 1 when validators went along
    bytes BIGINT NOT NULL,         -- unpacked
    said TEXT NOT NULL,
    next_at BIGINT NOT NULL,
    PRIMARY KEY (source_id, at)
);

-- What they brought. A row stays for ever, because it is what tells an old entry from a new one.
CREATE TABLE imported (
    id BIGINT NOT NULL PRIMARY KEY,
    source_id TEXT NOT NULL,
    state BIGINT NOT NULL,      -- 0 kept, 1 held for the editor, 2 dropped by a filter, 3 the same as one of another source
    reason TEXT,                -- why, unless it is kept
    is_news BIGINT NOT NULL,    -- 0 for what was there at the first fetch: never mailed
    canonical TEXT,             -- its address as a key, to find it in other sources
    content TEXT,               -- its text as a key
    facts TEXT NOT NULL,        -- hash of the entry as it came: while it is the same, nothing has to be cleaned again
    seen_at BIGINT NOT NULL,    -- first
    changed_at BIGINT NOT NULL, -- last time it became another, or stood otherwise
    article TEXT NOT NULL       -- JSON
);
CREATE INDEX imported_source ON imported (source_id, state);
CREATE INDEX imported_changed ON imported (changed_at);
CREATE INDEX imported_canonical ON imported (canonical) WHERE canonical IS NOT NULL;
CREATE INDEX imported_content ON imported (content) WHERE content IS NOT NULL;
INSERT INTO counters (name, next) VALUES ('imported', 1);

-- Every key an entry was ever known by: guids, links and texts change, one at a time.
CREATE TABLE imported_keys (
    source_id TEXT NOT NULL,
    key TEXT NOT NULL,
    imported_id BIGINT NOT NULL,
    PRIMARY KEY (source_id, key)
);
