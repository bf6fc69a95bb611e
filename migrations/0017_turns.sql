-- Of what came together the first of the feed is the newest, and has the least number: with the newest first a Source keeps those.
DROP INDEX imported_shelf;
DROP INDEX imported_changed;
CREATE INDEX imported_shelf ON imported (is_news, changed_at DESC, id) WHERE state IN (0, 3);

-- Whether a clock that was wrong put somebody off is looked for once a second: by what lies ahead the furthest.
CREATE INDEX sources_last ON sources (next_at) WHERE state = 'active';
CREATE INDEX hosts_lent ON hosts (until) WHERE until > 0;
CREATE INDEX hosts_wanted ON hosts (wanted) WHERE wanted > 0;
