CREATE TEMPORARY TABLE staged_challenges (
    place INTEGER PRIMARY KEY,
    line INTEGER NOT NULL,
    id TEXT NOT NULL,
    difficulty TEXT NOT NULL,
    title TEXT NOT NULL,
    description TEXT NOT NULL,
    points INTEGER NOT NULL,
    tips TEXT
) STRICT;
CREATE INDEX temp.staged_challenges_id_idx ON staged_challenges (id, place);
