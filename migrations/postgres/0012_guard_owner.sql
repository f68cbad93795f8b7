-- Keeps the owner's rights to the owner: none of our functions runs code of other roles with them, and the table of flags that we
-- made is written by its owner alone.

-- As in 0008, but for references from other owners' tables. To plan a query on a table is to run the functions in its indexes'
-- predicates, so such a table is never queried. What its reference would delete or empty by itself counts as used, unseen; a
-- reference that only refuses is left to the DELETE, whose check the database makes with that owner's rights.
CREATE OR REPLACE FUNCTION challenges_catalog.delete_challenge(doomed uuid) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
DECLARE
    reference record;
    is_used boolean;
    referring text;
BEGIN
    FOR reference IN
        SELECT
            c.conrelid::regclass::text AS relation,
            a.attname AS field,
            r.relowner = t.relowner AS is_ours,
            c.confdeltype IN ('a', 'r') AS is_strict
        FROM pg_constraint AS c
        JOIN pg_class AS t ON t.oid = c.confrelid
        JOIN pg_class AS r ON r.oid = c.conrelid
        JOIN pg_attribute AS k ON k.attrelid = c.confrelid AND k.attnum = c.confkey[1]
        JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
        WHERE c.contype = 'f'
            AND c.confrelid = 'public.approach_challenges'::regclass
            AND (r.relowner <> t.relowner OR (cardinality(c.confkey) = 1 AND k.attname = 'id'))
        ORDER BY 1
    LOOP
        is_used := NOT reference.is_strict;
        IF reference.is_ours THEN
            BEGIN
                -- Policies of that table must not hide rows from this look: then it fails instead.
                PERFORM set_config('row_security', 'off', true);
                -- ONLY: partitions have references of their own in the list, and may have other owners.
                EXECUTE format('SELECT EXISTS (SELECT FROM ONLY %s WHERE %I = $1)', reference.relation, reference.field)
                INTO is_used USING doomed;
                PERFORM set_config('row_security', 'on', true);
            EXCEPTION
                WHEN insufficient_privilege THEN
                    -- It cannot be looked at: a strict reference refuses by itself, below.
                    is_used := NOT reference.is_strict;
            END;
        END IF;
        IF is_used THEN
            RETURN reference.relation;
        END IF;
    END LOOP;
    DELETE FROM public.approach_challenges WHERE id = doomed;
    RETURN NULL;
EXCEPTION
    WHEN foreign_key_violation THEN
        GET STACKED DIAGNOSTICS referring = TABLE_NAME;
        RETURN referring;
END
$$;

-- For the event trigger of releases before this one, which hears nothing of a dropped policy but that there was one: any counts.
-- `migrate up` by a superuser makes triggers in its place that know which table it was on.
CREATE OR REPLACE FUNCTION challenges_catalog.note_ddl() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
BEGIN
    IF TG_TAG = 'DROP POLICY' OR EXISTS (
        SELECT FROM pg_event_trigger_ddl_commands() AS d
        LEFT JOIN pg_policy AS p ON d.classid = 'pg_policy'::regclass AND p.oid = d.objid
        WHERE p.polrelid = to_regclass('public.approach_challenges')
            OR (d.classid = 'pg_class'::regclass AND d.objid = to_regclass('public.approach_challenges'))
    ) THEN
        PERFORM challenges_catalog.emit(ARRAY['challenges']);
    END IF;
END
$$;

-- Default privileges may have given everybody all rights on a table that 0007 made in schema public, and one row of it switches
-- the catalog off. So it gets row level security with no policy to write, and loses the rights that policies do not rule.
-- 0007 made it in one transaction with runtime_settings and after shown_tips was made: then its oid lies between theirs, and the
-- same transaction wrote what the system catalogs say of both. A table that was adopted is older; one that was restored from a
-- dump got its oid later, with the other tables of its schema. Those are left as they are, as is one that somebody protected, and
-- `verify` tells who may write them.
DO $$
DECLARE
    granted record;
BEGIN
    IF NOT EXISTS (
        SELECT
        FROM pg_class AS made
        JOIN pg_attribute AS a ON a.attrelid = made.oid AND a.attname = 'tableoid'
        JOIN pg_class AS later ON later.oid = 'challenges_catalog.runtime_settings'::regclass
        JOIN pg_attribute AS b ON b.attrelid = later.oid AND b.attname = 'tableoid'
        WHERE made.oid = 'public.feature_flags'::regclass
            AND made.oid > 'challenges_catalog.shown_tips'::regclass
            AND made.oid < later.oid
            AND a.xmin = b.xmin
            AND NOT made.relrowsecurity
    ) THEN
        RETURN;
    END IF;
    ALTER TABLE public.feature_flags ENABLE ROW LEVEL SECURITY;
    CREATE POLICY "Anyone can read flags" ON public.feature_flags FOR SELECT USING (true);
    FOR granted IN
        SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS role
        FROM pg_class AS t
        CROSS JOIN LATERAL aclexplode(t.relacl) AS a
        WHERE t.oid = 'public.feature_flags'::regclass
            AND a.grantee <> t.relowner
            AND a.privilege_type IN ('TRUNCATE', 'TRIGGER', 'REFERENCES')
    LOOP
        EXECUTE format('REVOKE TRUNCATE, TRIGGER, REFERENCES ON public.feature_flags FROM %s', granted.role);
    END LOOP;
END
$$;

-- The rows of both tables with one of these names, whatever policies the role that asks is under: rows of other programs are
-- theirs. `fingerprint` is of the columns that we know, the same in every session: who changes a row names the one that it saw.
CREATE FUNCTION challenges_catalog.controls(wanted text[]) RETURNS TABLE (
    kind text, name text, environment text, enabled boolean, number bigint, description text,
    created_at timestamptz, updated_at timestamptz, created_by text, updated_by text, fingerprint text
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp SET timezone = 'UTC' AS $$
    SELECT
        'flag', f.name::text, f.environment::text, f.enabled, f.rollout_percentage::bigint, f.description::text,
        f.created_at, f.updated_at, f.created_by::text, f.updated_by::text,
        jsonb_build_array(
            f.name, f.environment, f.enabled, f.rollout_percentage, f.description,
            f.created_at, f.updated_at, f.created_by, f.updated_by
        )::text
    FROM public.feature_flags AS f
    WHERE f.name = ANY (wanted)
    UNION ALL
    SELECT
        'setting', s.name, s.environment, NULL, s.value, s.description,
        s.created_at, s.updated_at, s.created_by, s.updated_by,
        jsonb_build_array(
            s.name, s.environment, s.value, s.description, s.created_at, s.updated_at, s.created_by, s.updated_by
        )::text
    FROM challenges_catalog.runtime_settings AS s
    WHERE s.name = ANY (wanted)
$$;

-- For the release before, which reads all rows.
CREATE OR REPLACE FUNCTION challenges_catalog.controls() RETURNS TABLE (
    kind text, name text, environment text, enabled boolean, number bigint, description text,
    created_at timestamptz, updated_at timestamptz, created_by text, updated_by text, fingerprint text
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
    SELECT
        c.kind, c.name, c.environment, c.enabled, c.number, c.description,
        c.created_at, c.updated_at, c.created_by, c.updated_by, c.fingerprint
    FROM challenges_catalog.controls(ARRAY(
        SELECT f.name::text FROM public.feature_flags AS f
        UNION
        SELECT s.name FROM challenges_catalog.runtime_settings AS s
    )) AS c
$$;

-- The next four as in 0007, with the fingerprint of controls().
CREATE OR REPLACE FUNCTION challenges_catalog.put_flag(
    seen text, flag_name text, new_environment text, new_enabled boolean, new_rollout integer, new_description text, editor text
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp SET timezone = 'UTC' AS $$
BEGIN
    IF seen IS NULL THEN
        INSERT INTO public.feature_flags (name, environment, enabled, rollout_percentage, description, created_by, updated_by)
        VALUES (flag_name, new_environment, new_enabled, new_rollout, new_description, left(editor, 100), left(editor, 100))
        ON CONFLICT DO NOTHING;
    ELSE
        UPDATE public.feature_flags AS f
        SET environment = new_environment, enabled = new_enabled, rollout_percentage = new_rollout,
            description = new_description, updated_at = clock_timestamp(), updated_by = left(editor, 100)
        WHERE f.name = flag_name
            AND jsonb_build_array(
                f.name, f.environment, f.enabled, f.rollout_percentage, f.description,
                f.created_at, f.updated_at, f.created_by, f.updated_by
            )::text = seen;
    END IF;
    RETURN CASE WHEN FOUND THEN challenges_catalog.emit(ARRAY['flags']) END;
END
$$;

CREATE OR REPLACE FUNCTION challenges_catalog.put_setting(
    seen text, setting_name text, new_environment text, new_value bigint, new_description text, editor text
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp SET timezone = 'UTC' AS $$
BEGIN
    IF seen IS NULL THEN
        INSERT INTO challenges_catalog.runtime_settings (name, environment, value, description, created_by, updated_by)
        VALUES (setting_name, new_environment, new_value, new_description, editor, editor)
        ON CONFLICT DO NOTHING;
    ELSE
        UPDATE challenges_catalog.runtime_settings AS s
        SET value = new_value, description = new_description, updated_at = clock_timestamp(), updated_by = editor
        WHERE s.name = setting_name
            AND s.environment = new_environment
            AND jsonb_build_array(
                s.name, s.environment, s.value, s.description, s.created_at, s.updated_at, s.created_by, s.updated_by
            )::text = seen;
    END IF;
    RETURN CASE WHEN FOUND THEN challenges_catalog.emit(ARRAY['flags']) END;
END
$$;

CREATE OR REPLACE FUNCTION challenges_catalog.drop_flag(seen text, flag_name text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp SET timezone = 'UTC' AS $$
BEGIN
    DELETE FROM public.feature_flags AS f
    WHERE f.name = flag_name
        AND jsonb_build_array(
            f.name, f.environment, f.enabled, f.rollout_percentage, f.description,
            f.created_at, f.updated_at, f.created_by, f.updated_by
        )::text = seen;
    RETURN CASE WHEN FOUND THEN challenges_catalog.emit(ARRAY['flags']) END;
END
$$;

CREATE OR REPLACE FUNCTION challenges_catalog.drop_setting(seen text, setting_name text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp SET timezone = 'UTC' AS $$
BEGIN
    DELETE FROM challenges_catalog.runtime_settings AS s
    WHERE s.name = setting_name
        AND jsonb_build_array(
            s.name, s.environment, s.value, s.description, s.created_at, s.updated_at, s.created_by, s.updated_by
        )::text = seen;
    RETURN CASE WHEN FOUND THEN challenges_catalog.emit(ARRAY['flags']) END;
END
$$;

-- Whether policies show the role that asks every challenge there is or was. Not SECURITY DEFINER: the owner sees all.
CREATE FUNCTION challenges_catalog.sees_all_rows() RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT NOT row_security_active('public.approach_challenges'::regclass) OR coalesce(
        (
            SELECT bool_and(p.polpermissive) AND bool_or(pg_get_expr(p.polqual, p.polrelid) = 'true')
            FROM pg_policy AS p
            WHERE p.polrelid = 'public.approach_challenges'::regclass
                AND p.polcmd IN ('r', '*')
                AND (
                    p.polroles = '{0}'
                    OR EXISTS (SELECT FROM unnest(p.polroles) AS r (role) WHERE pg_has_role(r.role, 'USAGE'))
                )
        ),
        false
    );
$$;

-- Locks the rows that an import would write over, in the order of their ids; gives these, and the ids of all its rows.
CREATE FUNCTION challenges_catalog.lock_staged(of_import uuid, OUT existing uuid[], OUT staged uuid[])
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
BEGIN
    staged := ARRAY(SELECT s.id FROM challenges_catalog.staged_challenges AS s WHERE s.import = of_import);
    existing := ARRAY(
        SELECT c.id
        FROM public.approach_challenges AS c
        WHERE c.id IN (SELECT s.id FROM challenges_catalog.staged_challenges AS s WHERE s.import = of_import)
        ORDER BY c.id
        FOR UPDATE
    );
END
$$;

-- apply_staged(), under the policies of the role that calls it: it is not SECURITY DEFINER, so it sees what that role sees. Rows
-- that are hidden from the role are not written over, and what was written shows, or all of it is refused.
CREATE FUNCTION challenges_catalog.write_staged(of_import uuid, must_be_new boolean) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    existing uuid[];
    staged uuid[];
    outcomes text;
BEGIN
    SELECT l.existing, l.staged INTO existing, staged FROM challenges_catalog.lock_staged(of_import) AS l;
    IF EXISTS (
        SELECT FROM unnest(existing) AS wanted (id)
        WHERE NOT EXISTS (SELECT FROM public.approach_challenges AS c WHERE c.id = wanted.id)
    ) THEN
        RAISE EXCEPTION 'policies hide rows that the import would write over' USING ERRCODE = 'insufficient_privilege';
    END IF;
    outcomes := challenges_catalog.apply_staged(of_import, must_be_new);
    IF EXISTS (
        SELECT FROM unnest(staged) AS written (id)
        WHERE NOT EXISTS (SELECT FROM public.approach_challenges AS c WHERE c.id = written.id)
    ) THEN
        RAISE EXCEPTION 'policies hide rows that the import wrote' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN outcomes;
END
$$;

REVOKE ALL ON FUNCTION
    challenges_catalog.controls(text[]),
    challenges_catalog.lock_staged(uuid),
    challenges_catalog.sees_all_rows(),
    challenges_catalog.write_staged(uuid, boolean)
FROM PUBLIC;

-- Roles that serve go on without another grant: who may call the function of before may call what this release calls instead.
DO $$
DECLARE
    missing record;
BEGIN
    FOR missing IN
        SELECT
            successor.signature,
            CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS role
        FROM (VALUES
            ('controls()', 'controls(text[])'),
            ('apply_staged(uuid, boolean)', 'lock_staged(uuid)'),
            ('apply_staged(uuid, boolean)', 'write_staged(uuid, boolean)'),
            ('database()', 'sees_all_rows()')
        ) AS successor (known, signature)
        JOIN pg_proc AS p ON p.oid = ('challenges_catalog.' || successor.known)::regprocedure
        CROSS JOIN LATERAL aclexplode(p.proacl) AS a
        WHERE a.privilege_type = 'EXECUTE' AND a.grantee <> p.proowner
    LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION challenges_catalog.%s TO %s', missing.signature, missing.role);
    END LOOP;
END
$$;
