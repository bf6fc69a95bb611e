-- Of a host one thing is asked at a time, whoever asks: two workers, or a person beside the service. Who may is decided here, because they share nothing else.
CREATE TABLE hosts (
    host TEXT NOT NULL PRIMARY KEY, -- as its addresses name it, without a port: what one server answers for
    next_at BIGINT,                 -- nothing of it is due before: the least of its sources, or `until`; so a look costs what is due. NULL when nothing ever is
    until BIGINT NOT NULL,          -- end of the lease of whoever is asking it, who renews it meanwhile; 0 when nobody is
    epoch BIGINT NOT NULL,          -- number of that lease, one more each time: a late release of one that is over frees nobody else's
    wanted BIGINT NOT NULL          -- until then it is left to a person who waits for it, so that a long queue of others does not keep them waiting
);
CREATE INDEX hosts_due ON hosts (next_at);

-- Whose turn it is, is the host's to say; of its sources the one that has waited longest comes first.
ALTER TABLE sources ADD COLUMN host TEXT; -- of the address it is asked at, which the program knows; NULL until it has looked
DROP INDEX sources_due;
CREATE INDEX sources_of_host ON sources (host, next_at) WHERE state = 'active';
