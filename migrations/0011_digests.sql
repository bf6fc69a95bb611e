-- What a Digest remembers of its Issues, so that no page goes out twice, whatever has become of the Articles since.

-- The pages of the Articles it carried, as keys: without scheme, www and the marks of trackers.
CREATE TABLE issue_pages (
    digest TEXT NOT NULL,
    page TEXT NOT NULL,
    source_id TEXT NOT NULL,  -- whose Article it was; 'own' for ours
    issue_id BIGINT NOT NULL,
    PRIMARY KEY (digest, page)
);

-- 1: never carried, because its page had been. It is kept so that nobody looks at it again.
ALTER TABLE issue_articles ADD COLUMN is_repeat BIGINT NOT NULL DEFAULT 0;

-- What is older than this was there before its first Issue: the archive, which is never mailed.
CREATE TABLE beginnings (
    digest TEXT NOT NULL PRIMARY KEY,
    own_from BIGINT NOT NULL,      -- our own Articles
    imported_from BIGINT NOT NULL  -- those of Sources, which have a beginning of their own
);

-- Which corrections it told: the Article, in which Issue, and which change of it.
CREATE TABLE issue_corrections (
    digest TEXT NOT NULL,
    article_id TEXT NOT NULL,
    issue_id BIGINT NOT NULL,
    corrected_at BIGINT NOT NULL,
    PRIMARY KEY (digest, article_id, issue_id)
);
