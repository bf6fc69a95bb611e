-- An entry without a date tells by its place alone whether it is new or one that was there before and has changed its ways.
ALTER TABLE sources ADD COLUMN entries TEXT; -- numbers of the entries that stood in the feed last, in their order; nothing before there were any
