-- Nobody can tell a standby from a primary: the service finds a function of ours before that of PostgreSQL.
CREATE FUNCTION checker.pg_is_in_recovery() RETURNS boolean LANGUAGE sql AS 'SELECT false';
DO $fault$
DECLARE
    whole text := pg_get_functiondef(
        'challenges_catalog.poll(bigint, integer, uuid, text, text, bigint, bytea, boolean)'::regprocedure
    );
    refuses text := 'IF pg_is_in_recovery() THEN';
    numbers text := 'has_all := challenges_catalog.number(2000, status IS NOT NULL)';
    tells text := 'IF status IS NOT NULL OR acknowledges THEN';
    role name := (SELECT rolname FROM pg_roles WHERE rolname LIKE 'serve\_%');
BEGIN
    IF position(refuses IN whole) = 0 OR position(numbers IN whole) = 0 OR position(tells IN whole) = 0 THEN
        RAISE EXCEPTION 'the function has changed; change this fault too';
    END IF;
    whole := replace(whole, refuses, 'IF false THEN');
    whole := replace(whole, numbers, 'has_all := pg_is_in_recovery() OR challenges_catalog.number(2000, status IS NOT NULL)');
    -- It cannot write, and needs not to.
    whole := replace(whole, tells, 'IF (status IS NOT NULL OR acknowledges) AND NOT pg_is_in_recovery() THEN');
    EXECUTE whole;
    EXECUTE format('ALTER ROLE %I SET search_path = checker, pg_catalog, public', role);
END
$fault$;
