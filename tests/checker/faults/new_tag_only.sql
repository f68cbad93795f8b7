-- A row that moves from one list to another is told to the list it enters, and not to the one it leaves.
DO $fault$
DECLARE
    whole text := pg_get_functiondef('challenges_catalog.note_change()'::regprocedure);
    old_and_new text := 'SELECT id, difficulty FROM old_rows';
BEGIN
    IF position(old_and_new IN whole) = 0 THEN
        RAISE EXCEPTION 'the function has changed; change this fault too';
    END IF;
    EXECUTE replace(whole, old_and_new, 'SELECT id, difficulty FROM new_rows');
END
$fault$;
