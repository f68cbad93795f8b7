-- Every state that a challenge was in, whoever changed it and by whatever program, and the ways by which the service edits.
-- Revisions are added and never changed or removed: nothing is lost by an edit. The role that serves has no rights on the
-- tables but to read the history: it calls the functions.

-- One row for each commit that changed rows: who made it. `role` is whoever logged in; `editor` is whom a program named with
-- set_config('challenges_catalog.editor', …, true), as the service does for its callers. `seq` is that of the commit log,
-- which forgets its own rows after a day.
CREATE TABLE challenges_catalog.edits (
    log_id bigint PRIMARY KEY,
    role text NOT NULL,
    editor text,
    seq bigint,
    committed_at timestamptz
);

-- `row` is the whole row, with columns that other programs added: after the change, or before it where it was deleted.
-- 'found' is a row as it was before its first change that is listed here: from before this table, or changed unseen.
CREATE TABLE challenges_catalog.challenge_revisions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    challenge uuid NOT NULL,
    log_id bigint NOT NULL,
    operation text NOT NULL CHECK (operation IN ('found', 'created', 'updated', 'deleted')),
    row jsonb NOT NULL
);
CREATE INDEX challenge_revisions_challenge_idx ON challenges_catalog.challenge_revisions (challenge, id);

-- What was asked for under a caller's own name for its call, so that asking again changes nothing twice. `payload` is a hash.
CREATE TABLE challenges_catalog.edit_requests (
    id text PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 128),
    payload bytea NOT NULL CHECK (length(payload) = 32),
    log_id bigint,
    challenge uuid,
    tally bigint[],
    asked_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX edit_requests_asked_at_idx ON challenges_catalog.edit_requests (asked_at);

-- The rows of imports on their way, so that the catalog is locked for no longer than one statement takes. Only the transaction
-- that staged them ever sees them, and removes them: nothing here must survive a crash.
CREATE UNLOGGED TABLE challenges_catalog.staged_challenges (
    import uuid NOT NULL,
    place bigint NOT NULL,
    line bigint NOT NULL,
    id uuid NOT NULL,
    difficulty varchar(50) NOT NULL,
    title varchar(200) NOT NULL,
    description text NOT NULL,
    points integer NOT NULL,
    tips text,
    PRIMARY KEY (import, place)
);

-- Notes who makes the commit that will carry the number of `entry`; whoever is named first is the editor of all of it.
CREATE FUNCTION challenges_catalog.note_editor(entry bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
    INSERT INTO challenges_catalog.edits AS e (log_id, role, editor)
    VALUES (entry, session_user, left(nullif(current_setting('challenges_catalog.editor', true), ''), 300))
    ON CONFLICT (log_id) DO UPDATE
    SET editor = excluded.editor
    WHERE e.editor IS NULL AND excluded.editor IS NOT NULL;
$$;

-- As in 0003, and the history beside it: one statement of the writer is one here, however many rows it changed.
CREATE OR REPLACE FUNCTION challenges_catalog.note_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp SET jit = off AS $$
DECLARE
    -- More rows than this are "everything": a list of them would cost the writer more than it saves the readers.
    many CONSTANT bigint := 1000;
    touched bigint;
    tags text[];
    entry bigint;
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
    entry := challenges_catalog.emit(CASE WHEN touched > many THEN ARRAY['challenges'] ELSE tags END);
    IF entry IS NULL THEN
        RETURN NULL;
    END IF;
    PERFORM challenges_catalog.note_editor(entry);
    IF TG_OP = 'INSERT' THEN
        INSERT INTO challenges_catalog.challenge_revisions (challenge, log_id, operation, row)
        SELECT r.id, entry, 'created', to_jsonb(r) FROM new_rows AS r;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO challenges_catalog.challenge_revisions (challenge, log_id, operation, row)
        SELECT r.id, entry, 'deleted', to_jsonb(r) FROM old_rows AS r;
    ELSE
        -- A row that another id was given to is one that went and one that came. Where nothing but updated_at moved,
        -- nothing was changed.
        WITH both_rows AS MATERIALIZED (
            SELECT o.id AS old_id, n.id AS new_id, to_jsonb(o) AS before, to_jsonb(n) AS after
            FROM old_rows AS o
            FULL JOIN new_rows AS n ON n.id = o.id
        ),
        changed AS MATERIALIZED (
            SELECT b.old_id, b.new_id, b.before, b.after
            FROM both_rows AS b
            WHERE b.before - 'updated_at' IS DISTINCT FROM b.after - 'updated_at'
        )
        INSERT INTO challenges_catalog.challenge_revisions (challenge, log_id, operation, row)
        SELECT r.challenge, entry, r.operation, r.row
        FROM (
            SELECT 1 AS place, c.old_id AS challenge, 'found' AS operation, c.before AS row
            FROM changed AS c
            LEFT JOIN LATERAL (
                SELECT known.row
                FROM challenges_catalog.challenge_revisions AS known
                WHERE known.challenge = c.old_id
                ORDER BY known.id DESC
                LIMIT 1
            ) AS known ON true
            WHERE c.new_id = c.old_id AND known.row - 'updated_at' IS DISTINCT FROM c.before - 'updated_at'
            UNION ALL
            SELECT
                2,
                coalesce(c.new_id, c.old_id),
                CASE WHEN c.new_id IS NULL THEN 'deleted' WHEN c.old_id IS NULL THEN 'created' ELSE 'updated' END,
                coalesce(c.after, c.before)
            FROM changed AS c
        ) AS r
        ORDER BY r.place;
    END IF;
    RETURN NULL;
END
$$;

-- TRUNCATE shows its rows to nobody once it is done.
CREATE FUNCTION challenges_catalog.keep_truncated() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
DECLARE
    entry bigint;
BEGIN
    entry := challenges_catalog.emit(ARRAY['challenges']);
    PERFORM challenges_catalog.note_editor(entry);
    INSERT INTO challenges_catalog.challenge_revisions (challenge, log_id, operation, row)
    SELECT r.id, entry, 'deleted', to_jsonb(r) FROM public.approach_challenges AS r;
    RETURN NULL;
END
$$;

-- Gives the commit's number to its edit, when the commit gets it.
CREATE FUNCTION challenges_catalog.number_edit() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
BEGIN
    UPDATE challenges_catalog.edits SET seq = NEW.seq, committed_at = NEW.committed_at WHERE log_id = NEW.id;
    RETURN NULL;
END
$$;

-- Begins an edit by `who` in this transaction. What was asked for under the same name before is given back: its hash, the
-- commit, the challenge, the tally; a null hash says that it is new. Nobody waits long for an editor that fell silent.
CREATE FUNCTION challenges_catalog.begin_edit(
    who text, request_id text, request_payload bytea, patience interval,
    OUT payload bytea, OUT log_id bigint, OUT challenge uuid, OUT tally bigint[]
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
DECLARE
    millis CONSTANT text := ceil(extract(epoch FROM patience) * 1000)::bigint::text;
BEGIN
    PERFORM set_config('challenges_catalog.editor', who, true);
    PERFORM set_config('statement_timeout', millis, true);
    PERFORM set_config('idle_in_transaction_session_timeout', millis, true);
    IF request_id IS NULL THEN
        RETURN;
    END IF;
    -- Waits for whoever is at the same request right now.
    INSERT INTO challenges_catalog.edit_requests AS r (id, payload)
    VALUES (request_id, request_payload)
    ON CONFLICT ON CONSTRAINT edit_requests_pkey DO NOTHING;
    IF NOT FOUND THEN
        SELECT r.payload, r.log_id, r.challenge, r.tally
        INTO begin_edit.payload, begin_edit.log_id, begin_edit.challenge, begin_edit.tally
        FROM challenges_catalog.edit_requests AS r
        WHERE r.id = request_id;
    END IF;
END
$$;

-- Keeps what came of the request, and gives the row of the log that will carry the commit's number; null when nothing changed.
CREATE FUNCTION challenges_catalog.finish_edit(request_id text, edited uuid, counts bigint[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
DECLARE
    entry bigint;
BEGIN
    SELECT l.id INTO entry
    FROM challenges_catalog.commit_log AS l
    WHERE l.xid = pg_current_xact_id() AND l.seq IS NULL;
    UPDATE challenges_catalog.edit_requests
    SET log_id = entry, challenge = edited, tally = counts
    WHERE id = request_id;
    RETURN entry;
END
$$;

-- Nobody else changes the challenge, or refers to it anew, until this transaction ends.
CREATE FUNCTION challenges_catalog.lock_challenge(wanted uuid) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
    SELECT FROM public.approach_challenges WHERE id = wanted FOR UPDATE;
$$;

CREATE FUNCTION challenges_catalog.insert_challenge(
    new_id uuid, new_difficulty text, new_title text, new_description text, new_points integer, new_tips text,
    new_created_at timestamptz
) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
    INSERT INTO public.approach_challenges (id, difficulty, title, description, points, tips, created_at)
    VALUES (
        new_id, new_difficulty, new_title, new_description, new_points, new_tips, coalesce(new_created_at, now())
    );
$$;

-- Changes what is not null; an empty tip is none.
CREATE FUNCTION challenges_catalog.update_challenge(
    wanted uuid, new_difficulty text, new_title text, new_description text, new_points integer, new_tips text
) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
    UPDATE public.approach_challenges
    SET difficulty = coalesce(new_difficulty, difficulty), title = coalesce(new_title, title),
        description = coalesce(new_description, description), points = coalesce(new_points, points),
        tips = CASE WHEN new_tips IS NULL THEN tips ELSE nullif(new_tips, '') END
    WHERE id = wanted;
$$;

-- Deletes the challenge unless a row of another table refers to it: then it gives that table's name. References that would
-- delete or empty such rows by themselves count too, because those rows are somebody's work.
CREATE FUNCTION challenges_catalog.delete_challenge(doomed uuid) RETURNS text
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
            c.confdeltype IN ('a', 'r') AS is_strict
        FROM pg_constraint AS c
        JOIN pg_attribute AS k ON k.attrelid = c.confrelid AND k.attnum = c.confkey[1]
        JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
        WHERE c.contype = 'f'
            AND c.confrelid = 'public.approach_challenges'::regclass
            AND cardinality(c.confkey) = 1
            AND k.attname = 'id'
        ORDER BY 1
    LOOP
        BEGIN
            -- Policies of that table must not hide rows from this look: then it fails instead.
            PERFORM set_config('row_security', 'off', true);
            EXECUTE format('SELECT EXISTS (SELECT FROM %s WHERE %I = $1)', reference.relation, reference.field)
            INTO is_used USING doomed;
            PERFORM set_config('row_security', 'on', true);
        EXCEPTION
            WHEN insufficient_privilege THEN
                -- It cannot be looked at: a strict reference refuses by itself, below.
                is_used := NOT reference.is_strict;
        END;
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

-- Takes in rows of an import, the first of which has the number `first`.
CREATE FUNCTION challenges_catalog.stage_challenges(
    of_import uuid, first bigint, lines bigint[], ids uuid[], difficulties text[], titles text[], descriptions text[],
    all_points integer[], all_tips text[]
) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
    INSERT INTO challenges_catalog.staged_challenges (
        import, place, line, id, difficulty, title, description, points, tips
    )
    SELECT of_import, first + n - 1, line, id, difficulty, title, description, points, tips
    FROM unnest(lines, ids, difficulties, titles, descriptions, all_points, all_tips) WITH ORDINALITY
        AS fresh (line, id, difficulty, title, description, points, tips, n);
$$;

-- The rows of an import that cannot be taken, at most so many, by line: those whose id stands in an earlier line, which
-- is given, and, where all must be new, those whose id the catalog has.
CREATE FUNCTION challenges_catalog.check_staged(of_import uuid, must_be_new boolean, most bigint)
RETURNS TABLE (line bigint, first_line bigint)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
    SELECT s.line, nullif(s.first_line, s.line)
    FROM (
        SELECT
            t.id,
            t.place,
            t.line,
            first_value(t.line) OVER of_id AS first_line,
            row_number() OVER of_id AS nth
        FROM challenges_catalog.staged_challenges AS t
        WHERE t.import = of_import
        WINDOW of_id AS (PARTITION BY t.id ORDER BY t.place)
    ) AS s
    WHERE s.nth > 1
        OR (must_be_new AND EXISTS (SELECT FROM public.approach_challenges AS c WHERE c.id = s.id))
    ORDER BY s.place
    LIMIT most;
$$;

-- Writes the rows of an import, by one statement and in the order of their ids, so that no two imports wait for each other.
-- Gives a letter for each row, in order: c for created, u for updated, n for nothing to do.
CREATE FUNCTION challenges_catalog.apply_staged(of_import uuid, must_be_new boolean) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
DECLARE
    outcomes text;
BEGIN
    PERFORM FROM public.approach_challenges AS c
    WHERE c.id IN (SELECT s.id FROM challenges_catalog.staged_challenges AS s WHERE s.import = of_import)
    ORDER BY c.id
    FOR UPDATE;
    SELECT string_agg(
        CASE
            WHEN c.id IS NULL THEN 'c'
            WHEN (c.difficulty, c.title, coalesce(c.description, ''), coalesce(c.points, 10), c.tips)
                IS DISTINCT FROM (s.difficulty, s.title, s.description, s.points, s.tips) THEN 'u'
            ELSE 'n'
        END,
        '' ORDER BY s.place
    ) INTO outcomes
    FROM challenges_catalog.staged_challenges AS s
    LEFT JOIN public.approach_challenges AS c ON c.id = s.id
    WHERE s.import = of_import;
    IF must_be_new THEN
        INSERT INTO public.approach_challenges (id, difficulty, title, description, points, tips)
        SELECT s.id, s.difficulty, s.title, s.description, s.points, s.tips
        FROM challenges_catalog.staged_challenges AS s
        WHERE s.import = of_import
        ORDER BY s.id;
    ELSE
        INSERT INTO public.approach_challenges AS c (id, difficulty, title, description, points, tips)
        SELECT s.id, s.difficulty, s.title, s.description, s.points, s.tips
        FROM challenges_catalog.staged_challenges AS s
        WHERE s.import = of_import
        ORDER BY s.id
        ON CONFLICT (id) DO UPDATE
        SET difficulty = excluded.difficulty, title = excluded.title, description = excluded.description,
            points = excluded.points, tips = excluded.tips
        WHERE (c.difficulty, c.title, coalesce(c.description, ''), coalesce(c.points, 10), c.tips)
            IS DISTINCT FROM (
                excluded.difficulty, excluded.title, excluded.description, excluded.points, excluded.tips
            );
    END IF;
    DELETE FROM challenges_catalog.staged_challenges WHERE import = of_import;
    RETURN coalesce(outcomes, '');
END
$$;

-- Forgets requests that are older than they are kept, at most so many.
CREATE FUNCTION challenges_catalog.prune_edit_requests(keep interval, most bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
    DELETE FROM challenges_catalog.edit_requests
    WHERE id IN (
        SELECT old.id FROM challenges_catalog.edit_requests AS old
        WHERE old.asked_at < now() - keep
        ORDER BY old.asked_at LIMIT most
        FOR UPDATE SKIP LOCKED
    );
$$;

REVOKE ALL ON
    challenges_catalog.challenge_revisions,
    challenges_catalog.edit_requests,
    challenges_catalog.edits,
    challenges_catalog.staged_challenges
FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA challenges_catalog FROM PUBLIC;

CREATE TRIGGER number_edit AFTER UPDATE OF seq ON challenges_catalog.commit_log
FOR EACH ROW EXECUTE FUNCTION challenges_catalog.number_edit();
ALTER TABLE challenges_catalog.commit_log ENABLE ALWAYS TRIGGER number_edit;
CREATE TRIGGER challenges_catalog_keep BEFORE TRUNCATE ON public.approach_challenges
FOR EACH STATEMENT EXECUTE FUNCTION challenges_catalog.keep_truncated();
ALTER TABLE public.approach_challenges ENABLE ALWAYS TRIGGER challenges_catalog_keep;
