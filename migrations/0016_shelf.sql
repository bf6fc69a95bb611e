-- What becomes an Article is read by when it changed, news first.
CREATE INDEX imported_shelf ON imported (is_news, changed_at, id) WHERE state IN (0, 3);
