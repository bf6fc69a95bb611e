-- When the feed was first read, with entries or without: what is dated later came after us, and is news even where nothing else was read before.
ALTER TABLE sources ADD COLUMN read_at BIGINT;
-- An answer without entries is no baseline any more.
UPDATE sources SET read_at = baseline_at, baseline_at = NULL WHERE changed_at IS NULL AND baseline_at IS NOT NULL;

-- A text that changes at every fetch gives its entry a key each time. The oldest are forgotten, entry by entry.
ALTER TABLE imported_keys ADD COLUMN seen_at BIGINT NOT NULL DEFAULT 0; -- first
CREATE INDEX imported_keys_entry ON imported_keys (imported_id);
