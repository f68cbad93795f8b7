-- Creates the schema, and the table whose lock one migrating process holds, for the owner of public.approach_challenges if that
-- exists. Not by CREATE SCHEMA IF NOT EXISTS, which needs the right to create a schema even if it exists.
DO $$
DECLARE
    new_owner text;
BEGIN
    SELECT pg_get_userbyid(c.relowner) INTO new_owner
    FROM pg_class AS c
    WHERE c.oid = to_regclass('public.approach_challenges');
    IF to_regnamespace('challenges_catalog') IS NULL THEN
        EXECUTE format('CREATE SCHEMA challenges_catalog AUTHORIZATION %I', coalesce(new_owner, current_user));
    END IF;
    IF EXISTS (
        SELECT FROM pg_namespace AS n
        WHERE n.nspname = 'challenges_catalog' AND pg_get_userbyid(n.nspowner) <> new_owner
    ) THEN
        EXECUTE format('ALTER SCHEMA challenges_catalog OWNER TO %I', new_owner);
    END IF;
    IF to_regclass('challenges_catalog.migration_lock') IS NULL THEN
        CREATE TABLE challenges_catalog.migration_lock ();
        REVOKE ALL ON challenges_catalog.migration_lock FROM PUBLIC;
    END IF;
    IF EXISTS (
        SELECT FROM pg_class AS c
        WHERE c.oid = 'challenges_catalog.migration_lock'::regclass AND pg_get_userbyid(c.relowner) <> new_owner
    ) THEN
        EXECUTE format('ALTER TABLE challenges_catalog.migration_lock OWNER TO %I', new_owner);
    END IF;
EXCEPTION
    -- Another process created them at the same moment.
    WHEN unique_violation OR duplicate_schema OR duplicate_table THEN
        NULL;
END
$$
