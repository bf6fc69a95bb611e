-- What people and monitors ask again and again while an Issue of a million goes out: how many were sent, how fast, and what failed.
-- Partial, so that the queue itself is not in them: a message costs one entry at the end of the first.
CREATE INDEX deliveries_sent ON deliveries (issue_id, changed_at) WHERE state = 3;
-- Failed, unknown, skipped and cancelled.
CREATE INDEX deliveries_over ON deliveries (issue_id, state) WHERE state > 4;
