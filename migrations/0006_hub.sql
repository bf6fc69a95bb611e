-- WebSub. What was published last of each feed document that has a hub, so that a change is noted once, over restarts and by one process.
CREATE TABLE topics (
    url TEXT NOT NULL PRIMARY KEY,
    version TEXT NOT NULL -- SHA-256 of its bytes
);

-- Who is to be told of changes: the subscribers of our own hub, and the hubs of others.
CREATE TABLE listeners (
    topic TEXT NOT NULL,
    callback TEXT NOT NULL,   -- the address that is told
    kind BIGINT NOT NULL,     -- 0 a subscriber of our hub, 1 a hub
    host TEXT NOT NULL,       -- of the callback, for the limit on each
    secret TEXT,              -- signs what is sent to the subscriber
    until_at BIGINT NOT NULL, -- the end of the lease; a hub has none, and the end of time here
    due_at BIGINT,            -- when it is to be told, or NULL; while somebody is at it, when another may try
    tries BIGINT NOT NULL,    -- in vain so far
    PRIMARY KEY (topic, callback)
);
CREATE INDEX listeners_due ON listeners (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX listeners_host ON listeners (host);
