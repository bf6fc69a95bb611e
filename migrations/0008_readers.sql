-- What strangers ask of the pages, and the mails that answer them.

-- A notice is a mail of its own to one person (confirm, welcome, already there). All who are told the same on one day share an Issue; its
-- name is what it says: 'confirm weekly 2026-11-23 …'. NULL for a mailing.
ALTER TABLE issues ADD COLUMN notice TEXT;
CREATE UNIQUE INDEX issues_notice ON issues (notice);
-- Their numbers are far from those of mailings, which people count from 1.
INSERT INTO counters (name, next) VALUES ('notice', 1000000000000);

-- Who asked to join, until somebody looks. The form does nothing but this, so that its answer is the same, and takes as long, for everybody.
CREATE TABLE sign_ups (
    email_key TEXT NOT NULL,
    list_id TEXT NOT NULL,
    email TEXT NOT NULL,
    name TEXT,
    language TEXT,
    ip TEXT,
    source TEXT NOT NULL,  -- 'page', 'form', 'api'
    wording TEXT NOT NULL, -- what they were shown
    asked_at BIGINT NOT NULL,
    PRIMARY KEY (email_key, list_id)
);

-- How many notices strangers have caused to an address: nobody is bombed through our forms. Forgotten when the address confirms.
CREATE TABLE bothered (
    email_key TEXT NOT NULL PRIMARY KEY,
    times BIGINT NOT NULL,
    last_at BIGINT NOT NULL
);
CREATE INDEX bothered_last ON bothered (last_at);
