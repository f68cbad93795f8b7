-- Every change of the table, by whatever program, is noted in the transaction that makes it.

-- Before: INSERT OR REPLACE removes the old row without firing DELETE triggers, so the list that it leaves is noted here.
CREATE TRIGGER challenges_catalog_replace BEFORE INSERT ON approach_challenges
WHEN EXISTS (SELECT 1 FROM approach_challenges WHERE id = NEW.id)
BEGIN
    INSERT INTO catalog_change (tag)
    SELECT 'difficulty:' || difficulty FROM approach_challenges WHERE id = NEW.id;
END;

CREATE TRIGGER challenges_catalog_insert AFTER INSERT ON approach_challenges
BEGIN
    INSERT INTO catalog_change (tag)
    VALUES ('difficulty:' || NEW.difficulty), ('challenge:' || NEW.id);
END;

-- One trigger for both duties: setting updated_at is an update too, and would fire a second one again.
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
END;

CREATE TRIGGER challenges_catalog_delete AFTER DELETE ON approach_challenges
BEGIN
    INSERT INTO catalog_change (tag)
    VALUES ('difficulty:' || OLD.difficulty), ('challenge:' || OLD.id);
END;

INSERT INTO catalog_change (tag) VALUES ('challenges');
