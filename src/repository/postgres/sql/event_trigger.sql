-- Run by a role that may create event triggers, and not in a migration, which runs as the table's owner: the owner of an event
-- trigger's function can make it do anything as the role that runs DDL, even a superuser. So the function and the triggers have
-- the same owner. A change of the function's text needs another name, because an existing function is recognised by its name.
DROP EVENT TRIGGER IF EXISTS challenges_catalog_ddl;
DROP EVENT TRIGGER IF EXISTS challenges_catalog_drop;
DROP FUNCTION IF EXISTS challenges_catalog.watch_ddl();
DROP FUNCTION IF EXISTS challenges_catalog.watch_table();

-- DDL on the table, and policies on it, by identity. They decide which rows the service reads.
CREATE FUNCTION challenges_catalog.watch_table() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    watched CONSTANT oid := to_regclass('public.approach_challenges');
    is_watched boolean;
BEGIN
    IF TG_EVENT = 'sql_drop' THEN
        is_watched := EXISTS (
            SELECT FROM pg_event_trigger_dropped_objects() AS d
            WHERE d.object_type = 'policy' AND d.address_names[1:2] = ARRAY['public', 'approach_challenges']
        );
    ELSE
        is_watched := EXISTS (
            SELECT FROM pg_event_trigger_ddl_commands() AS d
            LEFT JOIN pg_policy AS p ON d.classid = 'pg_policy'::regclass AND p.oid = d.objid
            WHERE p.polrelid = watched OR (d.classid = 'pg_class'::regclass AND d.objid = watched)
        );
    END IF;
    IF NOT is_watched THEN
        RETURN;
    END IF;
    -- What is called is its owner's, who may put any text into it. As SECURITY DEFINER that runs with the owner's rights, not with
    -- ours; the lock keeps it so until it has run.
    IF (SELECT r.rolsuper FROM pg_roles AS r WHERE r.rolname = current_user) THEN
        PERFORM FROM pg_proc AS p
        WHERE p.oid = to_regprocedure('challenges_catalog.note_shape()') AND p.prosecdef
        FOR SHARE;
        IF NOT FOUND THEN
            RAISE WARNING 'challenges_catalog.note_shape() is not SECURITY DEFINER: this DDL goes unnoticed';
            RETURN;
        END IF;
    END IF;
    PERFORM challenges_catalog.note_shape();
END
$$;

-- The table's owner has rights on all of its schema, so that a REVOKE on all functions in it goes on working.
DO $$
BEGIN
    REVOKE ALL ON FUNCTION challenges_catalog.watch_table() FROM PUBLIC;
    EXECUTE format(
        'GRANT EXECUTE ON FUNCTION challenges_catalog.watch_table() TO %I',
        (SELECT pg_get_userbyid(c.relowner) FROM pg_class AS c WHERE c.oid = 'public.approach_challenges'::regclass)
    );
    CREATE EVENT TRIGGER challenges_catalog_ddl ON ddl_command_end
    WHEN TAG IN ('ALTER POLICY', 'ALTER TABLE', 'CREATE POLICY', 'CREATE TABLE')
    EXECUTE FUNCTION challenges_catalog.watch_table();
    ALTER EVENT TRIGGER challenges_catalog_ddl ENABLE ALWAYS;
    CREATE EVENT TRIGGER challenges_catalog_drop ON sql_drop
    WHEN TAG IN ('DROP POLICY')
    EXECUTE FUNCTION challenges_catalog.watch_table();
    ALTER EVENT TRIGGER challenges_catalog_drop ENABLE ALWAYS;
END
$$;
