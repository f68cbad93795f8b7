-- SQLite has one writer at a time, so a change has its number when it is made. What else changes with this number: only what the
-- service shows counts as a change, whoever waits for a change says so, and the history can be kept for a time.

-- Somebody waits until every replica has applied the change.
ALTER TABLE catalog_change ADD COLUMN is_awaited INTEGER NOT NULL DEFAULT 0 CHECK (is_awaited IN (0, 1));
-- The database that `seq` is a number of; empty before the first poll.
ALTER TABLE catalog_replica ADD COLUMN database TEXT NOT NULL DEFAULT '';

-- As in 0008, for rows of which something shows otherwise than before.
DROP TRIGGER challenges_catalog_update;
CREATE TRIGGER challenges_catalog_update AFTER UPDATE ON approach_challenges
WHEN (OLD.id, OLD.difficulty, OLD.title, OLD.description, OLD.points, OLD.tips, OLD.created_at, OLD.updated_at)
    IS NOT (NEW.id, NEW.difficulty, NEW.title, NEW.description, NEW.points, NEW.tips, NEW.created_at, NEW.updated_at)
BEGIN
    UPDATE approach_challenges
    SET updated_at = CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)
    WHERE id = NEW.id AND NEW.updated_at IS OLD.updated_at;
    -- Old and new, each once: a row that moves leaves one list and enters another.
    INSERT INTO catalog_change (tag)
    SELECT 'difficulty:' || OLD.difficulty
    UNION
    SELECT 'difficulty:' || NEW.difficulty
    UNION
    SELECT 'challenge:' || OLD.id
    UNION
    SELECT 'challenge:' || NEW.id;
    -- Where nothing but updated_at moved, nothing was changed. A new id for a row is one that went and one that came.
    INSERT INTO challenge_revisions (challenge, operation, row, editor, seq)
    SELECT
        OLD.id,
        CASE WHEN OLD.id = NEW.id THEN 'found' ELSE 'deleted' END,
        was.row,
        (SELECT name FROM catalog_editor),
        (SELECT max(seq) FROM catalog_change)
    FROM (
        SELECT json_object(
            'id', OLD.id, 'difficulty', OLD.difficulty, 'title', OLD.title, 'description', OLD.description,
            'points', OLD.points, 'tips', OLD.tips, 'created_at', OLD.created_at
        ) AS row
    ) AS was
    WHERE OLD.id <> NEW.id
        OR (
            was.row IS NOT (SELECT row FROM challenge_revisions WHERE challenge = OLD.id ORDER BY id DESC LIMIT 1)
            AND was.row IS NOT json_object(
                'id', NEW.id, 'difficulty', NEW.difficulty, 'title', NEW.title, 'description', NEW.description,
                'points', NEW.points, 'tips', NEW.tips, 'created_at', NEW.created_at
            )
        );
    INSERT INTO challenge_revisions (challenge, operation, row, editor, seq)
    SELECT
        NEW.id,
        CASE WHEN OLD.id = NEW.id THEN 'updated' ELSE 'created' END,
        json_object(
            'id', NEW.id, 'difficulty', NEW.difficulty, 'title', NEW.title, 'description', NEW.description,
            'points', NEW.points, 'tips', NEW.tips, 'created_at', NEW.created_at
        ),
        (SELECT name FROM catalog_editor),
        (SELECT max(seq) FROM catalog_change)
    WHERE (NEW.id, NEW.difficulty, NEW.title, NEW.description, NEW.points, NEW.tips, NEW.created_at)
        IS NOT (OLD.id, OLD.difficulty, OLD.title, OLD.description, OLD.points, OLD.tips, OLD.created_at);
END;

-- The history may be pruned, by whoever says so in the transaction that does it.
CREATE TABLE catalog_pruning (
    only_row INTEGER PRIMARY KEY NOT NULL DEFAULT 1 CHECK (only_row = 1),
    is_on INTEGER NOT NULL DEFAULT 0 CHECK (is_on IN (0, 1))
) STRICT;
INSERT INTO catalog_pruning DEFAULT VALUES;
DROP TRIGGER challenge_revisions_delete;
CREATE TRIGGER challenge_revisions_delete BEFORE DELETE ON challenge_revisions
WHEN NOT (SELECT is_on FROM catalog_pruning)
BEGIN
    SELECT RAISE(ABORT, 'challenge_revisions is append-only: DELETE is refused');
END;
