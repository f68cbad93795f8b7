-- What operators decide while the service runs: feature flags, in a table that may be other programs' too, and settings.
-- Adopts public.feature_flags where it exists, and creates it where it does not. Before this file runs, the `migrate` command has
-- compared an existing table with the shape below. Its rows, keys, policies, grants and triggers stay as they are.
DO $$
DECLARE
    missing record;
BEGIN
    IF to_regclass('public.feature_flags') IS NULL THEN
        CREATE TABLE public.feature_flags (
            id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
            name varchar(100) NOT NULL UNIQUE,
            enabled boolean NOT NULL DEFAULT false,
            description text,
            environment varchar(20) DEFAULT 'all',
            rollout_percentage integer DEFAULT 100
                CONSTRAINT feature_flags_rollout_percentage_check CHECK (rollout_percentage BETWEEN 0 AND 100),
            created_at timestamptz DEFAULT now(),
            updated_at timestamptz DEFAULT now(),
            created_by varchar(100),
            updated_by varchar(100)
        );
    END IF;

    -- Each addition is asked for only where it is missing, because ALTER TABLE locks the table even when it has nothing to do.
    -- Defaults come in a step of their own, so that rows that were there before keep "not known".
    FOR missing IN
        SELECT wanted.name, wanted.kind, wanted.fallback
        FROM (VALUES
            ('description', 'text', NULL),
            ('environment', 'varchar(20)', '''all'''),
            ('rollout_percentage', 'integer', '100'),
            ('created_at', 'timestamptz', 'now()'),
            ('updated_at', 'timestamptz', 'now()'),
            ('created_by', 'varchar(100)', NULL),
            ('updated_by', 'varchar(100)', NULL)
        ) AS wanted (name, kind, fallback)
        WHERE NOT EXISTS (
            SELECT FROM pg_attribute AS a
            WHERE a.attrelid = 'public.feature_flags'::regclass AND a.attname = wanted.name AND NOT a.attisdropped
        )
    LOOP
        EXECUTE format('ALTER TABLE public.feature_flags ADD COLUMN %I %s', missing.name, missing.kind);
        IF missing.fallback IS NOT NULL THEN
            EXECUTE format('ALTER TABLE public.feature_flags ALTER COLUMN %I SET DEFAULT %s', missing.name, missing.fallback);
        END IF;
    END LOOP;
END
$$;

-- Settings that may be changed while the service runs. A name has a row for each environment; `all` stands for the others.
CREATE TABLE challenges_catalog.runtime_settings (
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    environment text NOT NULL DEFAULT 'all' CHECK (length(environment) BETWEEN 1 AND 20),
    value bigint NOT NULL,
    description text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    created_by text,
    updated_by text,
    PRIMARY KEY (name, environment)
);

-- All rows of both tables, whatever policies the role that asks is under. `fingerprint` is the whole row as text, the same in
-- every session: who changes a row names the one that it saw.
CREATE FUNCTION challenges_catalog.controls() RETURNS TABLE (
    kind text, name text, environment text, enabled boolean, number bigint, description text,
    created_at timestamptz, updated_at timestamptz, created_by text, updated_by text, fingerprint text
)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, challenges_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO, YMD' AS $$
    SELECT
        'flag', f.name::text, f.environment::text, f.enabled, f.rollout_percentage::bigint, f.description::text,
        f.created_at, f.updated_at, f.created_by::text, f.updated_by::text, f::text
    FROM public.feature_flags AS f
    UNION ALL
    SELECT
        'setting', s.name, s.environment, NULL, s.value, s.description,
        s.created_at, s.updated_at, s.created_by, s.updated_by, s::text
    FROM challenges_catalog.runtime_settings AS s
$$;

-- Writes a flag's row in place of the one that the writer saw; in place of none, where it saw none. Gives the row of the log that
-- will carry the commit's number, or null when another writer came first.
CREATE FUNCTION challenges_catalog.put_flag(
    seen text, flag_name text, new_environment text, new_enabled boolean, new_rollout integer, new_description text, editor text
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, challenges_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO, YMD' AS $$
BEGIN
    IF seen IS NULL THEN
        INSERT INTO public.feature_flags (name, environment, enabled, rollout_percentage, description, created_by, updated_by)
        VALUES (flag_name, new_environment, new_enabled, new_rollout, new_description, left(editor, 100), left(editor, 100))
        ON CONFLICT DO NOTHING;
    ELSE
        UPDATE public.feature_flags AS f
        SET environment = new_environment, enabled = new_enabled, rollout_percentage = new_rollout,
            description = new_description, updated_at = clock_timestamp(), updated_by = left(editor, 100)
        WHERE f.name = flag_name AND f::text = seen;
    END IF;
    RETURN CASE WHEN FOUND THEN challenges_catalog.emit(ARRAY['flags']) END;
END
$$;

-- As put_flag, for a setting.
CREATE FUNCTION challenges_catalog.put_setting(
    seen text, setting_name text, new_environment text, new_value bigint, new_description text, editor text
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, challenges_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO, YMD' AS $$
BEGIN
    IF seen IS NULL THEN
        INSERT INTO challenges_catalog.runtime_settings (name, environment, value, description, created_by, updated_by)
        VALUES (setting_name, new_environment, new_value, new_description, editor, editor)
        ON CONFLICT DO NOTHING;
    ELSE
        UPDATE challenges_catalog.runtime_settings AS s
        SET value = new_value, description = new_description, updated_at = clock_timestamp(), updated_by = editor
        WHERE s.name = setting_name AND s.environment = new_environment AND s::text = seen;
    END IF;
    RETURN CASE WHEN FOUND THEN challenges_catalog.emit(ARRAY['flags']) END;
END
$$;

-- Takes out the row that the writer saw; gives what put_flag gives.
CREATE FUNCTION challenges_catalog.drop_flag(seen text, flag_name text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, challenges_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO, YMD' AS $$
BEGIN
    DELETE FROM public.feature_flags AS f WHERE f.name = flag_name AND f::text = seen;
    RETURN CASE WHEN FOUND THEN challenges_catalog.emit(ARRAY['flags']) END;
END
$$;

CREATE FUNCTION challenges_catalog.drop_setting(seen text, setting_name text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, challenges_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO, YMD' AS $$
BEGIN
    DELETE FROM challenges_catalog.runtime_settings AS s WHERE s.name = setting_name AND s::text = seen;
    RETURN CASE WHEN FOUND THEN challenges_catalog.emit(ARRAY['flags']) END;
END
$$;

-- Every change of either table, by whatever program, enters the commit log in the transaction that makes it, under a tag that
-- touches no answer. A release that does not know the tag takes it for everything: it loads again what it could have kept.
CREATE FUNCTION challenges_catalog.note_flags() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF OLD IS NOT DISTINCT FROM NEW THEN
            RETURN NULL;
        END IF;
    END IF;
    PERFORM challenges_catalog.emit(ARRAY['flags']);
    RETURN NULL;
END
$$;

REVOKE ALL ON challenges_catalog.runtime_settings FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA challenges_catalog FROM PUBLIC;

CREATE TRIGGER challenges_catalog_touch BEFORE UPDATE ON public.feature_flags
FOR EACH ROW EXECUTE FUNCTION challenges_catalog.touch();
CREATE TRIGGER challenges_catalog_change AFTER INSERT OR UPDATE OR DELETE ON public.feature_flags
FOR EACH ROW EXECUTE FUNCTION challenges_catalog.note_flags();
CREATE TRIGGER challenges_catalog_truncate AFTER TRUNCATE ON public.feature_flags
FOR EACH STATEMENT EXECUTE FUNCTION challenges_catalog.note_flags();
ALTER TABLE public.feature_flags
    ENABLE ALWAYS TRIGGER challenges_catalog_touch,
    ENABLE ALWAYS TRIGGER challenges_catalog_change,
    ENABLE ALWAYS TRIGGER challenges_catalog_truncate;

CREATE TRIGGER touch BEFORE UPDATE ON challenges_catalog.runtime_settings
FOR EACH ROW EXECUTE FUNCTION challenges_catalog.touch();
CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON challenges_catalog.runtime_settings
FOR EACH ROW EXECUTE FUNCTION challenges_catalog.note_flags();
CREATE TRIGGER note_truncate AFTER TRUNCATE ON challenges_catalog.runtime_settings
FOR EACH STATEMENT EXECUTE FUNCTION challenges_catalog.note_flags();
ALTER TABLE challenges_catalog.runtime_settings
    ENABLE ALWAYS TRIGGER touch,
    ENABLE ALWAYS TRIGGER note_change,
    ENABLE ALWAYS TRIGGER note_truncate;
