-- How far the time of each pace has been given out: a slice belongs to one process, and a restart begins after it.
CREATE TABLE paces (
    pace TEXT NOT NULL PRIMARY KEY, -- 'relay NAME', or 'relay NAME domain DOMAIN'
    until_at BIGINT NOT NULL        -- everything before this instant is given out
);

-- How many of the messages a relay may send on a day have been given out (relays with a warm-up).
CREATE TABLE allowances (
    relay TEXT NOT NULL,
    day BIGINT NOT NULL,   -- days since 1970 UTC
    taken BIGINT NOT NULL,
    PRIMARY KEY (relay, day)
);
