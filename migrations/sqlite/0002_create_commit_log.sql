-- The ordered list of changes. SQLite has one writer at a time, so numbers are visible in their order.
-- AUTOINCREMENT: a number never comes back, even after the newest rows were pruned.
CREATE TABLE catalog_change (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    tag TEXT NOT NULL,
    hard INTEGER NOT NULL DEFAULT 0 CHECK (hard IN (0, 1)),
    committed_at INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER))
) STRICT;

-- One row. `floor`: changes up to it may have been pruned. The key signs page tokens.
CREATE TABLE catalog_state (
    only_row INTEGER PRIMARY KEY NOT NULL DEFAULT 1 CHECK (only_row = 1),
    database_id TEXT NOT NULL CHECK (length(database_id) = 16),
    floor INTEGER NOT NULL DEFAULT 0,
    page_token_key BLOB NOT NULL CHECK (length(page_token_key) = 32)
) STRICT;
INSERT INTO catalog_state (database_id, page_token_key)
VALUES (lower(hex(randomblob(8))), randomblob(32));
