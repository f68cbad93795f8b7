-- A row that moves from one list to another is told to the list it enters, and not to the one it leaves.
DO $fault$
DECLARE
    whole text := pg_get_functiondef('challenges_catalog.note_change()'::regprocedure);
    left_list text := '|| CASE WHEN before.difficulty <> after.difficulty THEN ARRAY[''difficulty:'' || before.difficulty] END';
BEGIN
    IF position(left_list IN whole) = 0 THEN
        RAISE EXCEPTION 'the function has changed; change this fault too';
    END IF;
    EXECUTE replace(whole, left_list, '');
END
$fault$;
