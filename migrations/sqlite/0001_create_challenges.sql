-- Ids are lower-case with hyphens. Times are microseconds since 1970; julianday() is in every SQLite, unixepoch('subsec') is not.
CREATE TABLE approach_challenges (
    id TEXT PRIMARY KEY NOT NULL CHECK (length(id) = 36 AND id = lower(id)),
    difficulty TEXT NOT NULL CHECK (difficulty IN ('beginner', 'intermediate', 'advanced')),
    title TEXT NOT NULL CHECK (length(title) <= 200),
    description TEXT,
    points INTEGER DEFAULT 10,
    created_at INTEGER DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)),
    tips TEXT,
    updated_at INTEGER DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER))
) STRICT;
CREATE INDEX idx_approach_challenges_difficulty ON approach_challenges (difficulty);
