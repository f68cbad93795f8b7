-- Every state that a challenge was in, whoever changed it and by whatever program. Revisions are added and never changed or
-- removed: nothing is lost by an edit. Times are microseconds since 1970.

-- Who edits: there are no roles and no settings of a transaction here. The one writer at a time fills the row, and empties it
-- before it commits; so whom other programs' changes come from is not known.
CREATE TABLE catalog_editor (
    only_row INTEGER PRIMARY KEY NOT NULL DEFAULT 1 CHECK (only_row = 1),
    name TEXT
) STRICT;
INSERT INTO catalog_editor (name) VALUES (NULL);

-- `row` is the whole row as JSON: after the change, or before it where it was deleted. `seq` is the change's number.
-- 'found' is a row as it was before its first change that is listed here: from before this table, or changed unseen.
CREATE TABLE challenge_revisions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    challenge TEXT NOT NULL,
    operation TEXT NOT NULL CHECK (operation IN ('found', 'created', 'updated', 'deleted')),
    row TEXT NOT NULL,
    editor TEXT,
    seq INTEGER NOT NULL,
    committed_at INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER))
) STRICT;
CREATE INDEX challenge_revisions_challenge_idx ON challenge_revisions (challenge, id);

-- What was asked for under a caller's own name for its call, so that asking again changes nothing twice. `payload` is a hash;
-- the tally is how many rows an import created, updated and found as they should be.
CREATE TABLE edit_requests (
    id TEXT PRIMARY KEY NOT NULL CHECK (length(id) BETWEEN 1 AND 128),
    payload BLOB NOT NULL CHECK (length(payload) = 32),
    seq INTEGER,
    challenge TEXT,
    tally TEXT,
    asked_at INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER))
) STRICT;
CREATE INDEX edit_requests_asked_at_idx ON edit_requests (asked_at);

-- The triggers of 0003, and the history in each behind the change's number: the order of two triggers is not promised.
DROP TRIGGER challenges_catalog_replace;
DROP TRIGGER challenges_catalog_insert;
DROP TRIGGER challenges_catalog_update;
DROP TRIGGER challenges_catalog_delete;

-- Before: INSERT OR REPLACE removes the old row without firing DELETE triggers, so the list that it leaves is noted here.
CREATE TRIGGER challenges_catalog_replace BEFORE INSERT ON approach_challenges
WHEN EXISTS (SELECT 1 FROM approach_challenges WHERE id = NEW.id)
BEGIN
    INSERT INTO catalog_change (tag)
    SELECT 'difficulty:' || difficulty FROM approach_challenges WHERE id = NEW.id;
    INSERT INTO challenge_revisions (challenge, operation, row, editor, seq)
    SELECT
        old.id,
        'found',
        json_object(
            'id', old.id, 'difficulty', old.difficulty, 'title', old.title, 'description', old.description,
            'points', old.points, 'tips', old.tips, 'created_at', old.created_at
        ),
        (SELECT name FROM catalog_editor),
        (SELECT max(seq) FROM catalog_change)
    FROM approach_challenges AS old
    WHERE old.id = NEW.id
        AND json_object(
            'id', old.id, 'difficulty', old.difficulty, 'title', old.title, 'description', old.description,
            'points', old.points, 'tips', old.tips, 'created_at', old.created_at
        ) IS NOT (SELECT row FROM challenge_revisions WHERE challenge = old.id ORDER BY id DESC LIMIT 1);
END;

CREATE TRIGGER challenges_catalog_insert AFTER INSERT ON approach_challenges
BEGIN
    INSERT INTO catalog_change (tag)
    VALUES ('difficulty:' || NEW.difficulty), ('challenge:' || NEW.id);
    INSERT INTO challenge_revisions (challenge, operation, row, editor, seq)
    VALUES (
        NEW.id,
        'created',
        json_object(
            'id', NEW.id, 'difficulty', NEW.difficulty, 'title', NEW.title, 'description', NEW.description,
            'points', NEW.points, 'tips', NEW.tips, 'created_at', NEW.created_at
        ),
        (SELECT name FROM catalog_editor),
        (SELECT max(seq) FROM catalog_change)
    );
END;

-- One trigger for all duties: setting updated_at is an update too, and would fire a second one again.
CREATE TRIGGER challenges_catalog_update AFTER UPDATE ON approach_challenges
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

CREATE TRIGGER challenges_catalog_delete AFTER DELETE ON approach_challenges
BEGIN
    INSERT INTO catalog_change (tag)
    VALUES ('difficulty:' || OLD.difficulty), ('challenge:' || OLD.id);
    INSERT INTO challenge_revisions (challenge, operation, row, editor, seq)
    VALUES (
        OLD.id,
        'deleted',
        json_object(
            'id', OLD.id, 'difficulty', OLD.difficulty, 'title', OLD.title, 'description', OLD.description,
            'points', OLD.points, 'tips', OLD.tips, 'created_at', OLD.created_at
        ),
        (SELECT name FROM catalog_editor),
        (SELECT max(seq) FROM catalog_change)
    );
END;
