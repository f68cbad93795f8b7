-- A poll vouches for all that committed before it, and gives no numbers: commits are numbered once a second by reports alone.
DO $fault$
DECLARE
    whole text := pg_get_functiondef(
        'challenges_catalog.poll(bigint, integer, uuid, text, text, bigint, bytea, boolean)'::regprocedure
    );
    numbers text := 'has_all := challenges_catalog.number(2000, status IS NOT NULL)';
BEGIN
    IF position(numbers IN whole) = 0 THEN
        RAISE EXCEPTION 'the function has changed; change this fault too';
    END IF;
    EXECUTE replace(whole, numbers, 'has_all := status IS NULL OR challenges_catalog.number(2000, true)');
END
$fault$;
