-- Gives the objects that ownership.sql lists to the owner of public.approach_challenges. The sequence of a column follows its table.
DO $$
DECLARE
    new_owner oid;
    foreign_object record;
BEGIN
    SELECT c.relowner INTO new_owner FROM pg_class AS c WHERE c.oid = to_regclass('public.approach_challenges');
    IF new_owner IS NULL THEN
        RETURN;
    END IF;
    FOR foreign_object IN
        SELECT 1 AS place, 'SCHEMA' AS kind, n.nspname::text AS name
        FROM pg_namespace AS n
        WHERE n.nspname = 'challenges_catalog' AND n.nspowner <> new_owner
        UNION ALL
        SELECT 2, CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, c.oid::regclass::text
        FROM pg_class AS c
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = 'challenges_catalog'
            AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
            AND c.relowner <> new_owner
            AND NOT EXISTS (
                SELECT FROM pg_depend AS d
                WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i') AND c.relkind = 'S'
            )
        UNION ALL
        SELECT 3, 'ROUTINE', f.oid::regprocedure::text
        FROM pg_proc AS f
        JOIN pg_namespace AS n ON n.oid = f.pronamespace
        JOIN pg_roles AS r ON r.oid = f.proowner
        WHERE n.nspname = 'challenges_catalog'
            AND f.proowner <> new_owner
            AND NOT (f.proname IN ('watch_ddl', 'watch_table') AND r.rolsuper)
        UNION ALL
        SELECT 4, 'TABLE', 'public.feature_flags'
        FROM pg_class AS made
        WHERE made.oid = to_regclass('public.feature_flags') AND NOT pg_has_role(new_owner, made.relowner, 'USAGE')
        ORDER BY 1
    LOOP
        EXECUTE format('ALTER %s %s OWNER TO %I', foreign_object.kind, foreign_object.name, pg_get_userbyid(new_owner));
    END LOOP;
END
$$
