-- What readers chose for themselves. Most choose nothing and have no row here, so a list of a million costs what it did.

-- No mail before this instant; what comes out meanwhile is passed over. NULL for nearly everybody.
ALTER TABLE subscribers ADD COLUMN paused_until BIGINT;
CREATE INDEX subscribers_paused ON subscribers (paused_until) WHERE paused_until IS NOT NULL;

-- How a person wants the mails of a List.
CREATE TABLE preferences (
    list_id TEXT NOT NULL,
    subscriber_id BIGINT NOT NULL,
    rhythm BIGINT NOT NULL, -- 0 each issue, 1 daily, 2 weekly, 3 monthly
    topics TEXT,            -- '\ntides\nharbour\n', those wanted of the topics of the List; NULL for all, also those to come
    since BIGINT NOT NULL,  -- when they first chose: everything before that they had
    PRIMARY KEY (list_id, subscriber_id)
);
CREATE INDEX preferences_person ON preferences (subscriber_id);

-- Up to which instant a person with preferences has had what a Digest carried: the next Issue for them begins there, at whatever rhythm.
CREATE TABLE readings (
    digest TEXT NOT NULL,
    subscriber_id BIGINT NOT NULL,
    through BIGINT NOT NULL,
    PRIMARY KEY (digest, subscriber_id)
);
CREATE INDEX readings_person ON readings (subscriber_id);

-- Which Articles of its Issue a Delivery holds: '1' or '0' for each, in their order. NULL for what everybody gets.
ALTER TABLE deliveries ADD COLUMN part TEXT;

-- Who asked to be mailed at another address: the person made for it, who confirms there, and the one who asked.
CREATE TABLE moves (
    subscriber_id BIGINT NOT NULL PRIMARY KEY, -- of the new address
    from_id BIGINT NOT NULL,
    is_new BIGINT NOT NULL,                    -- 1: made for this, and nobody else
    asked_at BIGINT NOT NULL
);
