-- What the catalog shows beside its challenges changes at most once in ten seconds for the sake of tips: each such change empties lists in
-- all caches, and whoever may have tips written could empty them as fast as they are written. Tips that come sooner are shown together.

-- Tips that are to be shown and are not yet.
ALTER TABLE challenge_tips ADD COLUMN is_due INTEGER NOT NULL DEFAULT 0 CHECK (is_due IN (0, 1));
CREATE INDEX challenge_tips_due_idx ON challenge_tips (created_at) WHERE is_due;

-- When tips were shown last, in microseconds of Unix time: one row.
CREATE TABLE tips_last_shown (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    shown_at INTEGER NOT NULL
) STRICT;
INSERT INTO tips_last_shown (only_row, shown_at) VALUES (1, 0);
