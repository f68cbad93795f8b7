-- Every change of the table, by whatever program, enters the commit log in the transaction that makes it.
-- The functions run with their owner's rights, because the writers have none in this schema. The triggers fire ALWAYS,
-- so that session_replication_role = replica does not go unnoticed.

CREATE FUNCTION challenges_catalog.note_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
DECLARE
    -- More rows than this are "everything": a list of them would cost the writer more than it saves the readers.
    many CONSTANT bigint := 1000;
    touched bigint;
    tags text[];
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT count(*) INTO touched FROM new_rows;
        IF touched BETWEEN 1 AND many THEN
            SELECT array_agg(DISTINCT t.tag) INTO tags
            FROM new_rows AS r
            CROSS JOIN LATERAL (VALUES ('difficulty:' || r.difficulty), ('challenge:' || r.id)) AS t (tag);
        END IF;
    ELSIF TG_OP = 'DELETE' THEN
        SELECT count(*) INTO touched FROM old_rows;
        IF touched BETWEEN 1 AND many THEN
            SELECT array_agg(DISTINCT t.tag) INTO tags
            FROM old_rows AS r
            CROSS JOIN LATERAL (VALUES ('difficulty:' || r.difficulty), ('challenge:' || r.id)) AS t (tag);
        END IF;
    ELSE
        SELECT count(*) INTO touched FROM new_rows;
        IF touched BETWEEN 1 AND many THEN
            -- Old and new: a row that moves leaves one list and enters another.
            SELECT array_agg(DISTINCT t.tag) INTO tags
            FROM (
                SELECT id, difficulty FROM old_rows
                UNION
                SELECT id, difficulty FROM new_rows
            ) AS r
            CROSS JOIN LATERAL (VALUES ('difficulty:' || r.difficulty), ('challenge:' || r.id)) AS t (tag);
        END IF;
    END IF;
    PERFORM challenges_catalog.emit(CASE WHEN touched > many THEN ARRAY['challenges'] ELSE tags END);
    RETURN NULL;
END
$$;

CREATE FUNCTION challenges_catalog.note_truncate() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
BEGIN
    PERFORM challenges_catalog.emit(ARRAY['challenges']);
    RETURN NULL;
END
$$;

-- Keeps updated_at true for writers that do not know the column.
CREATE FUNCTION challenges_catalog.touch() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
BEGIN
    IF NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at THEN
        NEW.updated_at := now();
    END IF;
    RETURN NEW;
END
$$;

-- For the event trigger, which takes a superuser to make: `migrate up` tries, `verify` tells.
-- Policies decide which rows the service reads; a dropped one is not listed with its table, so any counts.
CREATE FUNCTION challenges_catalog.note_ddl() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
BEGIN
    IF TG_TAG = 'DROP POLICY' OR EXISTS (
        SELECT FROM pg_event_trigger_ddl_commands() AS d
        WHERE d.objid = to_regclass('public.approach_challenges')
            OR (d.object_type = 'policy' AND d.object_identity LIKE '% on public.approach\_challenges')
    ) THEN
        PERFORM challenges_catalog.emit(ARRAY['challenges']);
    END IF;
END
$$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA challenges_catalog FROM PUBLIC;

CREATE TRIGGER challenges_catalog_touch BEFORE UPDATE ON public.approach_challenges
FOR EACH ROW EXECUTE FUNCTION challenges_catalog.touch();
CREATE TRIGGER challenges_catalog_insert AFTER INSERT ON public.approach_challenges
REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION challenges_catalog.note_change();
CREATE TRIGGER challenges_catalog_update AFTER UPDATE ON public.approach_challenges
REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION challenges_catalog.note_change();
CREATE TRIGGER challenges_catalog_delete AFTER DELETE ON public.approach_challenges
REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION challenges_catalog.note_change();
CREATE TRIGGER challenges_catalog_truncate AFTER TRUNCATE ON public.approach_challenges
FOR EACH STATEMENT EXECUTE FUNCTION challenges_catalog.note_truncate();

ALTER TABLE public.approach_challenges
    ENABLE ALWAYS TRIGGER challenges_catalog_touch,
    ENABLE ALWAYS TRIGGER challenges_catalog_insert,
    ENABLE ALWAYS TRIGGER challenges_catalog_update,
    ENABLE ALWAYS TRIGGER challenges_catalog_delete,
    ENABLE ALWAYS TRIGGER challenges_catalog_truncate;

-- What is there so far was changed before anyone watched.
SELECT challenges_catalog.emit(ARRAY['challenges']);
