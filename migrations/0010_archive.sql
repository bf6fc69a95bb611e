-- Whether an Issue went to all of its Lists (1) or to a part of them (0). NULL for notices, and for what was made before this was known:
-- nothing that may have been meant for a few is shown to everybody.
ALTER TABLE issues ADD COLUMN whole BIGINT;
-- What the public archive looks through every few seconds.
CREATE INDEX issues_whole ON issues (status, id) WHERE whole = 1;
