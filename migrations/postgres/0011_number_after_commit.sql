-- Commits get their numbers from readers, after they committed. Writers only insert: they look nothing up, wait for nobody and give
-- no number. ARCHITECTURE.md has the proof, docs/adr/0003 the reasons. A fleet of the release before goes on working on this schema:
-- what only that release uses says so, and goes in a later one.

-- Locks first, and those of other programs' tables before our own: writers take them in this order too. So nobody has a change
-- under way that the old triggers would have numbered.
LOCK TABLE public.approach_challenges, public.feature_flags IN ACCESS EXCLUSIVE MODE;
LOCK TABLE
    challenges_catalog.runtime_settings,
    challenges_catalog.shown_tips,
    challenges_catalog.challenge_revisions,
    challenges_catalog.edits,
    challenges_catalog.commit_log,
    challenges_catalog.change
IN ACCESS EXCLUSIVE MODE;

-- What writers leave behind: one row for each statement that changed something. `role` is whoever logged in, `editor` whom the
-- service names for its own edits. `is_awaited`: somebody waits until every replica has applied it. `is_edit`: the history has rows of it.
CREATE TABLE challenges_catalog.outbox (
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    id bigint GENERATED ALWAYS AS IDENTITY,
    tags text[] NOT NULL,
    hard boolean NOT NULL DEFAULT false,
    is_awaited boolean NOT NULL DEFAULT false,
    is_edit boolean NOT NULL DEFAULT false,
    role name NOT NULL DEFAULT session_user,
    editor text,
    written_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (xid, id)
);
-- One commit can have a million rows; these tell the few that matter.
CREATE INDEX outbox_hard_idx ON challenges_catalog.outbox (xid) WHERE hard;
CREATE INDEX outbox_awaited_idx ON challenges_catalog.outbox (xid) WHERE is_awaited;

-- The list of numbered commits, to which rows are only added. `id` is the lowest id of the commit in the outbox. The last row of each
-- round of numbering has a snapshot: what that sees has a number.
DROP TRIGGER seal ON challenges_catalog.commit_log;
DROP TRIGGER number_edit ON challenges_catalog.commit_log;
DROP FUNCTION challenges_catalog.seal();
DROP FUNCTION challenges_catalog.number_edit();
DROP INDEX challenges_catalog.commit_log_open_idx;
ALTER TABLE challenges_catalog.commit_log
    ADD COLUMN tags text[] NOT NULL DEFAULT '{}',
    ADD COLUMN hard boolean NOT NULL DEFAULT false,
    ADD COLUMN is_awaited boolean NOT NULL DEFAULT false,
    ADD COLUMN snapshot pg_snapshot;
UPDATE challenges_catalog.commit_log AS l
SET tags = touched.tags, hard = touched.hard
FROM (
    SELECT c.log_id, array_agg(c.tag) AS tags, bool_or(c.hard) AS hard
    FROM challenges_catalog.change AS c
    GROUP BY c.log_id
) AS touched
WHERE touched.log_id = l.id;

-- A commit that made history; the revisions of its statements carry outbox ids from `log_id` to `last_id`. Those of earlier releases
-- have their `log_id` alone.
ALTER TABLE challenges_catalog.edits
    ADD COLUMN xid xid8,
    ADD COLUMN last_id bigint;
CREATE INDEX edits_xid_idx ON challenges_catalog.edits (xid);

-- One row. Whoever numbers locks this table in a mode that takes rights on it: an advisory lock could be taken by anybody.
-- `history` names the past that the numbers belong to, and the next three columns tell where it began. `xid` is the transaction that
-- wrote the row: in a restored dump another one did. Numbers up to `reserved` may have been told.
CREATE TABLE challenges_catalog.numbering (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    history text NOT NULL CHECK (history ~ '^[0-9a-f]{16}$'),
    timeline integer NOT NULL,
    system text NOT NULL,
    database oid NOT NULL,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    reserved bigint NOT NULL
);

-- Has a row as long as the server did not crash, and was not promoted: then PostgreSQL empties unlogged tables. So numbers need not
-- be on the disk before they are told.
CREATE UNLOGGED TABLE challenges_catalog.uninterrupted (only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row));

-- The cluster's own name; empty where it is not to be had.
CREATE FUNCTION challenges_catalog.system() RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (SELECT c.system_identifier::text FROM pg_control_system() AS c);
EXCEPTION
    WHEN feature_not_supported OR insufficient_privilege OR undefined_function THEN
        RETURN '';
END
$$;

-- The history of before goes on under its name, with all that committed up to here in one number.
INSERT INTO challenges_catalog.numbering (history, timeline, system, database, reserved)
SELECT challenges_catalog.database(), challenges_catalog.timeline(), challenges_catalog.system(), d.oid, last.seq + 1
FROM pg_database AS d
CROSS JOIN (
    SELECT greatest(coalesce(max(l.seq), 0), (SELECT s.floor FROM challenges_catalog.state AS s)) AS seq
    FROM challenges_catalog.commit_log AS l
) AS last
WHERE d.datname = current_database();
INSERT INTO challenges_catalog.uninterrupted DEFAULT VALUES;
SELECT setval(
    pg_get_serial_sequence('challenges_catalog.outbox', 'id'),
    (SELECT coalesce(max(l.id), 0) + 1 FROM challenges_catalog.commit_log AS l)
);
INSERT INTO challenges_catalog.commit_log (id, xid, seq, committed_at, tags, snapshot)
OVERRIDING SYSTEM VALUE
SELECT
    currval(pg_get_serial_sequence('challenges_catalog.outbox', 'id')),
    pg_current_xact_id(),
    n.reserved,
    clock_timestamp(),
    ARRAY['challenges', 'flags'],
    pg_current_snapshot()
FROM challenges_catalog.numbering AS n;
DROP SEQUENCE challenges_catalog.commit_seq;

CREATE OR REPLACE FUNCTION challenges_catalog.database() RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
    SELECT n.history FROM challenges_catalog.numbering AS n;
$$;

-- What has committed and has no number yet.
CREATE VIEW challenges_catalog.unnumbered AS
SELECT o.xid, o.id, o.tags, o.is_edit, o.role, o.editor, o.written_at
FROM (SELECT l.snapshot FROM challenges_catalog.commit_log AS l ORDER BY l.seq DESC LIMIT 1) AS last
JOIN challenges_catalog.outbox AS o
    ON o.xid >= pg_snapshot_xmin(last.snapshot) AND NOT pg_visible_in_snapshot(o.xid, last.snapshot);

-- The part of a snapshot that concerns transactions before `below`.
CREATE FUNCTION challenges_catalog.snapshot_below(whole pg_snapshot, below xid8) RETURNS pg_snapshot
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE
        WHEN below >= pg_snapshot_xmax(whole) THEN whole
        ELSE concat(
            CASE WHEN below < pg_snapshot_xmin(whole) THEN below ELSE pg_snapshot_xmin(whole) END,
            ':', below, ':',
            (SELECT string_agg(x.xid::text, ',' ORDER BY x.xid) FROM pg_snapshot_xip(whole) AS x (xid) WHERE x.xid < below)
        )::pg_snapshot
    END;
$$;

-- Begins behind every number that may have been told, and says that nothing from before is known any longer. In a new history, whose
-- transactions may be another cluster's, all that committed so far is in the first number; in the same one numbering goes on.
-- To be called with the table `numbering` locked.
CREATE FUNCTION challenges_catalog.start_over(is_new_history boolean) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
DECLARE
    start bigint;
BEGIN
    PERFORM set_config('synchronous_commit', 'local', true);
    UPDATE challenges_catalog.numbering AS n
    SET xid = pg_current_xact_id(),
        reserved = greatest(n.reserved, (SELECT max(l.seq) FROM challenges_catalog.commit_log AS l)) + 1
    RETURNING n.reserved INTO start;
    IF is_new_history THEN
        UPDATE challenges_catalog.numbering
        SET history = left(replace(gen_random_uuid()::text, '-', ''), 16),
            timeline = challenges_catalog.timeline(),
            system = challenges_catalog.system(),
            database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database());
        -- Whoever made these edits stays known.
        INSERT INTO challenges_catalog.edits (log_id, last_id, xid, role, editor, seq, committed_at)
        SELECT min(o.id), max(o.id), o.xid, min(o.role), max(o.editor), start, max(o.written_at)
        FROM challenges_catalog.outbox AS o
        WHERE o.is_edit
            AND NOT EXISTS (
                SELECT FROM challenges_catalog.edits AS e
                WHERE e.xid = o.xid AND o.id BETWEEN e.log_id AND e.last_id
            )
        GROUP BY o.xid;
    END IF;
    INSERT INTO challenges_catalog.commit_log (id, xid, seq, committed_at, tags, hard, snapshot)
    OVERRIDING SYSTEM VALUE
    VALUES (
        nextval(pg_get_serial_sequence('challenges_catalog.outbox', 'id')),
        pg_current_xact_id(),
        start,
        clock_timestamp(),
        ARRAY['challenges', 'flags'],
        true,
        CASE
            WHEN is_new_history THEN pg_current_snapshot()
            ELSE (SELECT l.snapshot FROM challenges_catalog.commit_log AS l ORDER BY l.seq DESC LIMIT 1)
        END
    );
    UPDATE challenges_catalog.state SET floor = start;
    INSERT INTO challenges_catalog.uninterrupted DEFAULT VALUES ON CONFLICT DO NOTHING;
END
$$;

-- Tells whether the numbers go on where they were. `is_thorough` also notices files that were copied while the server was stopped.
CREATE FUNCTION challenges_catalog.is_same_history(is_thorough boolean) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
    SELECT
        -- The lower half of the number of a transaction stands in every row that it wrote.
        mod(n.xid::text::numeric, 4294967296) = n.xmin::text::numeric
        AND CASE
            WHEN is_thorough OR NOT EXISTS (SELECT FROM challenges_catalog.uninterrupted)
            THEN n.timeline = challenges_catalog.timeline()
                AND n.system = challenges_catalog.system()
                AND n.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
            ELSE true
        END
    FROM challenges_catalog.numbering AS n;
$$;

-- Gives numbers to commits that have none, to so many rows of the outbox at once, and tells whether all have one that had committed
-- when this was called. In READ COMMITTED: each statement here sees what committed before it. By indexes alone: what other programs'
-- long transactions keep from being vacuumed is never walked over.
CREATE FUNCTION challenges_catalog.number(most integer, is_thorough boolean DEFAULT false) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, challenges_catalog, pg_temp
SET enable_seqscan = off SET jit = off AS $$
DECLARE
    is_whole boolean;
    newest bigint;
BEGIN
    IF challenges_catalog.is_same_history(is_thorough)
        AND EXISTS (SELECT FROM challenges_catalog.uninterrupted)
        AND NOT EXISTS (SELECT FROM challenges_catalog.unnumbered)
    THEN
        RETURN true;
    END IF;
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'commits are numbered in READ COMMITTED only' USING ERRCODE = 'invalid_transaction_state';
    END IF;
    LOCK TABLE challenges_catalog.numbering IN EXCLUSIVE MODE;
    PERFORM set_config('synchronous_commit', 'off', true);
    IF NOT challenges_catalog.is_same_history(is_thorough) THEN
        PERFORM challenges_catalog.start_over(true);
        RETURN true;
    END IF;
    IF NOT EXISTS (SELECT FROM challenges_catalog.uninterrupted) THEN
        PERFORM challenges_catalog.start_over(false);
    END IF;
    WITH pending AS MATERIALIZED (
        SELECT u.xid, u.id, u.tags, u.is_edit, u.role, u.editor, u.written_at
        FROM challenges_catalog.unnumbered AS u
        ORDER BY u.xid, u.id
        LIMIT most + 1
    ),
    -- Whole transactions, as many as fit; one that does not fit by itself goes alone.
    bound AS MATERIALIZED (
        SELECT
            b.is_whole,
            CASE
                WHEN b.is_whole THEN pg_snapshot_xmax(pg_current_snapshot())
                WHEN b.first = b.last THEN (b.last + 1)::text::xid8
                ELSE b.last::text::xid8
            END AS below
        FROM (
            SELECT
                count(*) <= most AS is_whole,
                min(p.xid::text::bigint) AS first,
                max(p.xid::text::bigint) AS last
            FROM pending AS p
        ) AS b
    ),
    commits AS MATERIALIZED (
        SELECT
            p.xid,
            min(p.id) AS id,
            -- More than this is "everything": a list would cost more than it saves.
            count(*) > 1000 OR sum(cardinality(p.tags)) > 3000 AS is_everything,
            bool_or(p.is_edit) OR count(*) > 1000 AS is_edit,
            min(p.role) AS role,
            max(p.editor) AS editor,
            max(p.written_at) AS written_at,
            -- Of two that changed the same row the later one has the greatest id.
            row_number() OVER (ORDER BY max(p.id)) AS place,
            row_number() OVER (ORDER BY max(p.id) DESC) = 1 AS is_last
        FROM pending AS p
        CROSS JOIN bound
        -- A transaction that took its number meanwhile is among those that `below` means too.
        WHERE bound.is_whole OR p.xid < bound.below
        GROUP BY p.xid
    ),
    logged AS (
        INSERT INTO challenges_catalog.commit_log (id, xid, seq, committed_at, tags, hard, is_awaited, snapshot)
        OVERRIDING SYSTEM VALUE
        SELECT
            c.id,
            c.xid,
            head.seq + c.place,
            c.written_at,
            CASE
                WHEN c.is_everything THEN ARRAY['challenges', 'flags']
                ELSE ARRAY(
                    SELECT DISTINCT t.tag
                    FROM pending AS p
                    CROSS JOIN LATERAL unnest(p.tags) AS t (tag)
                    WHERE p.xid = c.xid AND t.tag IS NOT NULL
                )
            END,
            EXISTS (SELECT FROM challenges_catalog.outbox AS o WHERE o.xid = c.xid AND o.hard),
            EXISTS (SELECT FROM challenges_catalog.outbox AS o WHERE o.xid = c.xid AND o.is_awaited),
            CASE WHEN c.is_last THEN challenges_catalog.snapshot_below(pg_current_snapshot(), bound.below) END
        FROM commits AS c
        CROSS JOIN bound
        CROSS JOIN (SELECT max(l.seq) AS seq FROM challenges_catalog.commit_log AS l) AS head
        RETURNING commit_log.id, commit_log.seq
    ),
    edited AS (
        INSERT INTO challenges_catalog.edits (log_id, last_id, xid, role, editor, seq, committed_at)
        SELECT
            c.id,
            (SELECT max(o.id) FROM challenges_catalog.outbox AS o WHERE o.xid = c.xid),
            c.xid,
            c.role,
            c.editor,
            l.seq,
            c.written_at
        FROM commits AS c
        JOIN logged AS l ON l.id = c.id
        WHERE c.is_edit
    )
    SELECT bound.is_whole, (SELECT max(l.seq) FROM logged AS l) INTO is_whole, newest
    FROM bound;
    IF newest > (SELECT n.reserved FROM challenges_catalog.numbering AS n) THEN
        PERFORM set_config('synchronous_commit', 'local', true);
        UPDATE challenges_catalog.numbering SET reserved = newest + 100000, xid = pg_current_xact_id();
    END IF;
    RETURN is_whole;
END
$$;

-- For operators, after files of this database were put back by hand: caches must not take its numbers for the old ones. A crash, a
-- promoted standby and a restored dump are noticed without it.
CREATE OR REPLACE FUNCTION challenges_catalog.begin_new_history() RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
BEGIN
    LOCK TABLE challenges_catalog.numbering IN EXCLUSIVE MODE;
    PERFORM challenges_catalog.start_over(true);
    RETURN (SELECT n.history FROM challenges_catalog.numbering AS n);
END
$$;

-- Leaves a hint for readers, who look anyway: so it must never make a writer wait or fail. NOTIFY locks the whole cluster while it
-- commits, so one of our writers sends one at a time, and the others go without. A full queue would fail the commit, and a
-- transaction that notified cannot be prepared. Whoever takes the lock by its number keeps hints away, and nothing else.
-- Without a search path of its own, which costs: it names the schema of all that it calls, and runs inside functions that have one.
CREATE FUNCTION challenges_catalog.hint() RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF pg_catalog.current_setting('max_prepared_transactions') OPERATOR(pg_catalog.=) '0'
        AND pg_catalog.pg_try_advisory_xact_lock(7161094785523310113)
        AND pg_catalog.pg_notification_queue_usage() OPERATOR(pg_catalog.<) 0.5
    THEN
        PERFORM pg_catalog.pg_notify('challenges_catalog', '');
    END IF;
END
$$;

-- Notes that this transaction changes what `tags` name. For triggers, so it only inserts.
CREATE FUNCTION challenges_catalog.note(tags text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
BEGIN
    INSERT INTO challenges_catalog.outbox (tags) VALUES (array_remove(note.tags, NULL));
    PERFORM challenges_catalog.hint();
END
$$;

-- The same for the service's own changes; gives the id that the commit will have in the log.
CREATE OR REPLACE FUNCTION challenges_catalog.emit(tags text[], hard boolean DEFAULT false) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
BEGIN
    IF coalesce(cardinality(array_remove(emit.tags, NULL)), 0) > 0 THEN
        INSERT INTO challenges_catalog.outbox (tags, hard) VALUES (array_remove(emit.tags, NULL), emit.hard);
        PERFORM challenges_catalog.hint();
    END IF;
    RETURN (SELECT min(o.id) FROM challenges_catalog.outbox AS o WHERE o.xid = pg_current_xact_id());
END
$$;

-- As emit. `is_awaited`: replicas acknowledge it at once. It need not reach the disk: a crash makes everything count as changed.
CREATE FUNCTION challenges_catalog.invalidate(tags text[], hard boolean, is_awaited boolean) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
DECLARE
    entry bigint;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    INSERT INTO challenges_catalog.outbox (tags, hard, is_awaited)
    VALUES (invalidate.tags, invalidate.hard, invalidate.is_awaited)
    RETURNING id INTO entry;
    PERFORM challenges_catalog.hint();
    RETURN entry;
END
$$;

-- Names the editor of this transaction, keeps what came of the request, and gives the id that the commit will have in the log; null
-- when nothing changed.
CREATE OR REPLACE FUNCTION challenges_catalog.finish_edit(request_id text, edited uuid, counts bigint[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
DECLARE
    entry bigint := (SELECT min(o.id) FROM challenges_catalog.outbox AS o WHERE o.xid = pg_current_xact_id());
BEGIN
    -- Not by a trigger of the table: any session can set a variable, and only the service may call this.
    UPDATE challenges_catalog.outbox
    SET editor = left(nullif(current_setting('challenges_catalog.editor', true), ''), 300)
    WHERE xid = pg_current_xact_id();
    UPDATE challenges_catalog.edit_requests
    SET log_id = entry, challenge = edited, tally = counts
    WHERE id = request_id;
    RETURN entry;
END
$$;

-- The history has what the service shows, by name: nothing of a row is converted that other programs put there. `row` is how earlier
-- releases wrote it.
ALTER TABLE challenges_catalog.challenge_revisions
    ALTER COLUMN row DROP NOT NULL,
    ADD COLUMN xid xid8,
    ADD COLUMN difficulty text,
    ADD COLUMN title text,
    ADD COLUMN description text,
    ADD COLUMN points integer,
    ADD COLUMN tips text,
    ADD COLUMN created_at timestamptz;

-- Notes which rows a statement changed, as far as the service shows them. `TG_ARGV[0]` is since when all changes are noted: a row
-- that was last touched before goes into the history as it was found.
CREATE OR REPLACE FUNCTION challenges_catalog.note_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
DECLARE
    -- More rows than this are "everything": a list of them would cost the writer more than it saves the readers.
    many CONSTANT bigint := 1000;
    since CONSTANT timestamptz := TG_ARGV[0];
    touched bigint;
    before record;
    after record;
    entry bigint;
BEGIN
    IF TG_OP = 'DELETE' THEN
        SELECT count(*) INTO touched FROM old_rows;
    ELSE
        SELECT count(*) INTO touched FROM new_rows;
    END IF;
    IF touched = 0 THEN
        RETURN NULL;
    END IF;
    -- Most statements change one row, and the statements for many take their time to begin.
    IF touched = 1 AND TG_OP = 'UPDATE' THEN
        SELECT o.id, o.difficulty, o.title, o.description, o.points, o.tips, o.created_at, o.updated_at INTO before
        FROM old_rows AS o;
        SELECT n.id, n.difficulty, n.title, n.description, n.points, n.tips, n.created_at, n.updated_at INTO after
        FROM new_rows AS n;
        IF before IS NOT DISTINCT FROM after THEN
            RETURN NULL;
        END IF;
        IF before.id = after.id AND before.updated_at >= since THEN
            INSERT INTO challenges_catalog.outbox (tags, is_edit)
            VALUES (
                ARRAY['challenge:' || after.id, 'difficulty:' || after.difficulty]
                    || CASE WHEN before.difficulty <> after.difficulty THEN ARRAY['difficulty:' || before.difficulty] END,
                true
            )
            RETURNING id INTO entry;
            before.updated_at := after.updated_at;
            -- The hour of a change alone is no state to go back to.
            IF before IS DISTINCT FROM after THEN
                INSERT INTO challenges_catalog.challenge_revisions (
                    challenge, log_id, xid, operation, difficulty, title, description, points, tips, created_at
                )
                VALUES (
                    after.id, entry, pg_current_xact_id(), 'updated', after.difficulty, after.title, after.description,
                    after.points, after.tips, after.created_at
                );
            END IF;
            PERFORM challenges_catalog.hint();
            RETURN NULL;
        END IF;
    END IF;
    IF TG_OP = 'INSERT' THEN
        WITH entry AS (
            INSERT INTO challenges_catalog.outbox (tags, is_edit)
            SELECT
                CASE
                    WHEN touched > many THEN ARRAY['challenges']
                    ELSE ARRAY(
                        SELECT 'challenge:' || r.id FROM new_rows AS r
                        UNION
                        SELECT 'difficulty:' || r.difficulty FROM new_rows AS r
                    )
                END,
                true
            RETURNING xid, id
        )
        INSERT INTO challenges_catalog.challenge_revisions (
            challenge, log_id, xid, operation, difficulty, title, description, points, tips, created_at
        )
        SELECT r.id, entry.id, entry.xid, 'created', r.difficulty, r.title, r.description, r.points, r.tips, r.created_at
        FROM new_rows AS r
        CROSS JOIN entry;
    ELSIF TG_OP = 'DELETE' THEN
        WITH entry AS (
            INSERT INTO challenges_catalog.outbox (tags, is_edit)
            SELECT
                CASE
                    WHEN touched > many THEN ARRAY['challenges']
                    ELSE ARRAY(
                        SELECT 'challenge:' || r.id FROM old_rows AS r
                        UNION
                        SELECT 'difficulty:' || r.difficulty FROM old_rows AS r
                    )
                END,
                true
            RETURNING xid, id
        )
        INSERT INTO challenges_catalog.challenge_revisions (
            challenge, log_id, xid, operation, difficulty, title, description, points, tips, created_at
        )
        SELECT r.id, entry.id, entry.xid, 'deleted', r.difficulty, r.title, r.description, r.points, r.tips, r.created_at
        FROM old_rows AS r
        CROSS JOIN entry;
    ELSE
        -- A row that another id was given to is one that went and one that came.
        WITH changed AS MATERIALIZED (
            SELECT
                o.id AS old_id, o.difficulty AS old_difficulty, o.title AS old_title, o.description AS old_description,
                o.points AS old_points, o.tips AS old_tips, o.created_at AS old_created_at, o.updated_at AS old_updated_at,
                n.id, n.difficulty, n.title, n.description, n.points, n.tips, n.created_at
            FROM old_rows AS o
            FULL JOIN new_rows AS n ON n.id = o.id
            WHERE (o.id, o.difficulty, o.title, o.description, o.points, o.tips, o.created_at, o.updated_at)
                IS DISTINCT FROM
                (n.id, n.difficulty, n.title, n.description, n.points, n.tips, n.created_at, n.updated_at)
        ),
        entry AS (
            INSERT INTO challenges_catalog.outbox (tags, is_edit)
            SELECT
                CASE
                    WHEN (SELECT count(*) FROM changed) > many THEN ARRAY['challenges']
                    -- Old and new: a row that moves leaves one list and enters another.
                    ELSE ARRAY(
                        SELECT 'challenge:' || c.old_id FROM changed AS c WHERE c.old_id IS NOT NULL
                        UNION
                        SELECT 'challenge:' || c.id FROM changed AS c WHERE c.id IS NOT NULL
                        UNION
                        SELECT 'difficulty:' || c.old_difficulty FROM changed AS c WHERE c.old_difficulty IS NOT NULL
                        UNION
                        SELECT 'difficulty:' || c.difficulty FROM changed AS c WHERE c.difficulty IS NOT NULL
                    )
                END,
                true
            WHERE EXISTS (SELECT FROM changed)
            RETURNING xid, id
        )
        INSERT INTO challenges_catalog.challenge_revisions (
            challenge, log_id, xid, operation, difficulty, title, description, points, tips, created_at
        )
        SELECT
            r.challenge, entry.id, entry.xid, r.operation, r.difficulty, r.title, r.description, r.points, r.tips, r.created_at
        FROM (
            SELECT
                1 AS place, c.old_id AS challenge, CASE WHEN c.id IS NULL THEN 'deleted' ELSE 'found' END AS operation,
                c.old_difficulty AS difficulty, c.old_title AS title, c.old_description AS description,
                c.old_points AS points, c.old_tips AS tips, c.old_created_at AS created_at
            FROM changed AS c
            WHERE c.old_id IS NOT NULL AND (c.id IS NULL OR c.old_updated_at IS NULL OR c.old_updated_at < since)
            UNION ALL
            SELECT
                2, c.id, CASE WHEN c.old_id IS NULL THEN 'created' ELSE 'updated' END,
                c.difficulty, c.title, c.description, c.points, c.tips, c.created_at
            FROM changed AS c
            WHERE c.id IS NOT NULL
                -- The hour of a change alone is no state to go back to.
                AND (c.old_id, c.old_difficulty, c.old_title, c.old_description, c.old_points, c.old_tips, c.old_created_at)
                    IS DISTINCT FROM (c.id, c.difficulty, c.title, c.description, c.points, c.tips, c.created_at)
            ORDER BY 1
        ) AS r
        CROSS JOIN entry;
    END IF;
    PERFORM challenges_catalog.hint();
    RETURN NULL;
END
$$;

-- The same for one row that an apply worker of logical replication wrote, or a session that plays one: for these, triggers of
-- statements do not fire.
CREATE FUNCTION challenges_catalog.note_replicated() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
DECLARE
    since CONSTANT timestamptz := TG_ARGV[0];
    entry bigint;
BEGIN
    -- Enabled for everybody by mistake, it would note twice.
    IF current_setting('session_replication_role') <> 'replica' THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'UPDATE' THEN
        IF (OLD.id, OLD.difficulty, OLD.title, OLD.description, OLD.points, OLD.tips, OLD.created_at, OLD.updated_at)
            IS NOT DISTINCT FROM
            (NEW.id, NEW.difficulty, NEW.title, NEW.description, NEW.points, NEW.tips, NEW.created_at, NEW.updated_at)
        THEN
            RETURN NULL;
        END IF;
    END IF;
    INSERT INTO challenges_catalog.outbox (tags, is_edit)
    SELECT array_agg(DISTINCT t.tag), true
    FROM unnest(CASE TG_OP
        WHEN 'INSERT' THEN ARRAY['challenge:' || NEW.id, 'difficulty:' || NEW.difficulty]
        WHEN 'DELETE' THEN ARRAY['challenge:' || OLD.id, 'difficulty:' || OLD.difficulty]
        ELSE ARRAY[
            'challenge:' || OLD.id, 'challenge:' || NEW.id, 'difficulty:' || OLD.difficulty, 'difficulty:' || NEW.difficulty
        ]
    END) AS t (tag)
    RETURNING id INTO entry;
    IF TG_OP = 'DELETE' OR (TG_OP = 'UPDATE' AND (OLD.id <> NEW.id OR OLD.updated_at IS NULL OR OLD.updated_at < since)) THEN
        INSERT INTO challenges_catalog.challenge_revisions (
            challenge, log_id, xid, operation, difficulty, title, description, points, tips, created_at
        )
        VALUES (
            OLD.id, entry, pg_current_xact_id(),
            CASE WHEN TG_OP = 'DELETE' OR OLD.id <> NEW.id THEN 'deleted' ELSE 'found' END,
            OLD.difficulty, OLD.title, OLD.description, OLD.points, OLD.tips, OLD.created_at
        );
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO challenges_catalog.challenge_revisions (
            challenge, log_id, xid, operation, difficulty, title, description, points, tips, created_at
        )
        VALUES (
            NEW.id, entry, pg_current_xact_id(),
            CASE WHEN TG_OP = 'INSERT' OR OLD.id <> NEW.id THEN 'created' ELSE 'updated' END,
            NEW.difficulty, NEW.title, NEW.description, NEW.points, NEW.tips, NEW.created_at
        );
    END IF;
    PERFORM challenges_catalog.hint();
    RETURN NULL;
END
$$;

-- TRUNCATE shows its rows to nobody once it is done.
CREATE OR REPLACE FUNCTION challenges_catalog.keep_truncated() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
BEGIN
    WITH entry AS (
        INSERT INTO challenges_catalog.outbox (tags, is_edit) VALUES (ARRAY['challenges'], true)
        RETURNING xid, id
    )
    INSERT INTO challenges_catalog.challenge_revisions (
        challenge, log_id, xid, operation, difficulty, title, description, points, tips, created_at
    )
    SELECT r.id, entry.id, entry.xid, 'deleted', r.difficulty, r.title, r.description, r.points, r.tips, r.created_at
    FROM public.approach_challenges AS r
    CROSS JOIN entry;
    PERFORM challenges_catalog.hint();
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION challenges_catalog.note_truncate() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
BEGIN
    PERFORM challenges_catalog.note(ARRAY['challenges']);
    RETURN NULL;
END
$$;

-- With the writer's own rights, of which it needs none, and without a search path, which would cost. The columns are compared here and
-- not by the trigger's WHEN: a trigger that names columns forbids their owner to change their types.
CREATE OR REPLACE FUNCTION challenges_catalog.touch() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.updated_at IS DISTINCT FROM OLD.updated_at THEN
        RETURN NEW;
    END IF;
    IF TG_NARGS = 0 THEN
        IF (OLD.id, OLD.difficulty, OLD.title, OLD.description, OLD.points, OLD.tips, OLD.created_at)
            IS DISTINCT FROM (NEW.id, NEW.difficulty, NEW.title, NEW.description, NEW.points, NEW.tips, NEW.created_at)
        THEN
            NEW.updated_at := pg_catalog.now();
        END IF;
    ELSIF TG_ARGV[0] = 'flag' THEN
        IF (OLD.name, OLD.enabled, OLD.description, OLD.environment, OLD.rollout_percentage)
            IS DISTINCT FROM (NEW.name, NEW.enabled, NEW.description, NEW.environment, NEW.rollout_percentage)
        THEN
            NEW.updated_at := pg_catalog.now();
        END IF;
    ELSIF (OLD.name, OLD.environment, OLD.value, OLD.description)
        IS DISTINCT FROM (NEW.name, NEW.environment, NEW.value, NEW.description)
    THEN
        NEW.updated_at := pg_catalog.now();
    END IF;
    RETURN NEW;
END
$$;

CREATE OR REPLACE FUNCTION challenges_catalog.note_shown_tip() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND (OLD.challenge, OLD.content, OLD.text) = (NEW.challenge, NEW.content, NEW.text) THEN
        RETURN NULL;
    END IF;
    -- All lists: the challenge may be on its way from one to another, in a transaction that this one cannot see.
    PERFORM challenges_catalog.note(ARRAY[
        'challenge:' || OLD.challenge, 'challenge:' || NEW.challenge,
        'difficulty:beginner', 'difficulty:intermediate', 'difficulty:advanced'
    ]);
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION challenges_catalog.note_flags() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND TG_TABLE_NAME = 'feature_flags' THEN
        IF (
            OLD.name, OLD.enabled, OLD.description, OLD.environment, OLD.rollout_percentage,
            OLD.created_at, OLD.updated_at, OLD.created_by, OLD.updated_by
        ) IS NOT DISTINCT FROM (
            NEW.name, NEW.enabled, NEW.description, NEW.environment, NEW.rollout_percentage,
            NEW.created_at, NEW.updated_at, NEW.created_by, NEW.updated_by
        ) THEN
            RETURN NULL;
        END IF;
    END IF;
    PERFORM challenges_catalog.note(ARRAY['flags']);
    RETURN NULL;
END
$$;

DROP FUNCTION challenges_catalog.note_editor(bigint);

-- Makes the triggers of the two adopted tables, and of ours beside them, what they must be; leaves alone what is so already. `migrate
-- up` calls it each time, because DISABLE TRIGGER USER and pg_restore --disable-triggers leave them off or half on. Gives the names
-- of those that it mended. `watched_since`: no earlier change of a row is known for sure to be in the history.
CREATE FUNCTION challenges_catalog.mend_triggers(watched_since timestamptz) RETURNS text[]
LANGUAGE plpgsql SET search_path = pg_catalog, challenges_catalog, pg_temp AS $mend$
DECLARE
    wanted record;
    mode_found text;
    mended text[] := '{}';
    since CONSTANT text := quote_literal(watched_since);
BEGIN
    FOR wanted IN
        SELECT t.relation, t.name, t.mode, t.body
        FROM (VALUES
            ('public.approach_challenges', 'challenges_catalog_touch', 'A',
                'BEFORE UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION challenges_catalog.touch()'),
            ('public.approach_challenges', 'challenges_catalog_insert', 'O',
                'AFTER INSERT ON %s REFERENCING NEW TABLE AS new_rows
                FOR EACH STATEMENT EXECUTE FUNCTION challenges_catalog.note_change(' || since || ')'),
            ('public.approach_challenges', 'challenges_catalog_update', 'O',
                'AFTER UPDATE ON %s REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
                FOR EACH STATEMENT EXECUTE FUNCTION challenges_catalog.note_change(' || since || ')'),
            ('public.approach_challenges', 'challenges_catalog_delete', 'O',
                'AFTER DELETE ON %s REFERENCING OLD TABLE AS old_rows
                FOR EACH STATEMENT EXECUTE FUNCTION challenges_catalog.note_change(' || since || ')'),
            ('public.approach_challenges', 'challenges_catalog_replicated', 'R',
                'AFTER INSERT OR UPDATE OR DELETE ON %s
                FOR EACH ROW EXECUTE FUNCTION challenges_catalog.note_replicated(' || since || ')'),
            ('public.approach_challenges', 'challenges_catalog_keep', 'A',
                'BEFORE TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION challenges_catalog.keep_truncated()'),
            ('public.feature_flags', 'challenges_catalog_touch', 'A',
                'BEFORE UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION challenges_catalog.touch(''flag'')'),
            ('public.feature_flags', 'challenges_catalog_change', 'A',
                'AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION challenges_catalog.note_flags()'),
            ('public.feature_flags', 'challenges_catalog_truncate', 'A',
                'AFTER TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION challenges_catalog.note_flags()'),
            ('challenges_catalog.runtime_settings', 'touch', 'A',
                'BEFORE UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION challenges_catalog.touch(''setting'')'),
            ('challenges_catalog.runtime_settings', 'note_change', 'A',
                'AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION challenges_catalog.note_flags()'),
            ('challenges_catalog.runtime_settings', 'note_truncate', 'A',
                'AFTER TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION challenges_catalog.note_flags()'),
            ('challenges_catalog.shown_tips', 'note_change', 'A',
                'AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION challenges_catalog.note_shown_tip()'),
            ('challenges_catalog.shown_tips', 'note_truncate', 'A',
                'AFTER TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION challenges_catalog.note_truncate()'),
            ('challenges_catalog.challenge_revisions', 'refuse_change', 'A',
                'BEFORE UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION challenges_catalog.refuse_change()'),
            ('challenges_catalog.challenge_revisions', 'refuse_truncate', 'A',
                'BEFORE TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION challenges_catalog.refuse_change()')
        ) AS t (relation, name, mode, body)
    LOOP
        SELECT t.tgenabled INTO mode_found
        FROM pg_trigger AS t
        WHERE t.tgrelid = wanted.relation::regclass AND t.tgname = wanted.name;
        IF NOT FOUND THEN
            EXECUTE format('CREATE TRIGGER %I ', wanted.name) || format(wanted.body, wanted.relation);
        ELSIF mode_found = wanted.mode THEN
            CONTINUE;
        ELSIF mode_found = 'D' AND wanted.body LIKE '%' || since || '%' THEN
            -- What changed meanwhile nobody noted, so rows from before now go into the history as they are found.
            EXECUTE format('DROP TRIGGER %I ON ', wanted.name) || wanted.relation;
            EXECUTE format('CREATE TRIGGER %I ', wanted.name) || format(wanted.body, wanted.relation);
        END IF;
        EXECUTE format('ALTER TABLE %s ENABLE ', wanted.relation)
            || CASE wanted.mode WHEN 'A' THEN 'ALWAYS ' WHEN 'R' THEN 'REPLICA ' ELSE '' END
            || format('TRIGGER %I', wanted.name);
        mended := mended || wanted.name;
    END LOOP;
    -- What was changed unseen is in no list of changes.
    IF cardinality(mended) > 0 THEN
        PERFORM challenges_catalog.note(ARRAY['challenges', 'flags']);
    END IF;
    RETURN mended;
END
$mend$;

-- The triggers of before, whatever state they are in.
DROP TRIGGER IF EXISTS challenges_catalog_touch ON public.approach_challenges;
DROP TRIGGER IF EXISTS challenges_catalog_insert ON public.approach_challenges;
DROP TRIGGER IF EXISTS challenges_catalog_update ON public.approach_challenges;
DROP TRIGGER IF EXISTS challenges_catalog_delete ON public.approach_challenges;
DROP TRIGGER IF EXISTS challenges_catalog_truncate ON public.approach_challenges;
DROP TRIGGER IF EXISTS challenges_catalog_touch ON public.feature_flags;
DROP TRIGGER IF EXISTS touch ON challenges_catalog.runtime_settings;
SELECT challenges_catalog.mend_triggers(m.installed_on)
FROM challenges_catalog.migration AS m
WHERE m.version = 8;
-- All up to here is in the number that was given above.
DELETE FROM challenges_catalog.outbox;
-- The planner takes a table that nobody looked at for one with many rows.
ANALYZE challenges_catalog.numbering, challenges_catalog.state, challenges_catalog.uninterrupted;

-- The replicas, in place of the table `replica`. `history` is the one that `seq` is a number of.
ALTER TABLE challenges_catalog.replica RENAME TO registry;
ALTER TABLE challenges_catalog.registry ADD COLUMN history text;

-- Takes in what a replica tells of itself, and forgets those that have told nothing for a minute. Nothing of it must survive a crash.
CREATE FUNCTION challenges_catalog.register(
    replica_id uuid, replica_name text, at_history text, at_timeline bigint, at_seq bigint, how bytea
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
BEGIN
    INSERT INTO challenges_catalog.registry AS r (id, name, history, timeline, seq, status)
    VALUES (replica_id, replica_name, at_history, at_timeline, at_seq, how)
    ON CONFLICT (id) DO UPDATE
    SET name = excluded.name, history = excluded.history, timeline = excluded.timeline, seq = excluded.seq,
        status = excluded.status, heard_at = clock_timestamp();
    DELETE FROM challenges_catalog.registry
    WHERE id IN (
        SELECT silent.id FROM challenges_catalog.registry AS silent
        WHERE silent.heard_at < clock_timestamp() - interval '1 minute'
        FOR UPDATE SKIP LOCKED
    );
END
$$;

-- The one statement by which a replica follows the catalog: numbers what has none, takes in what the replica tells (`status`, when it
-- is not null) or acknowledges (that it applied `after`), and gives the commits after that number. Nothing is vouched for
-- unless the server is no standby, the list is whole, and the replica was registered before this call.
CREATE FUNCTION challenges_catalog.poll(
    after bigint, most integer, replica_id uuid, replica_name text, at_history text, at_timeline bigint, status bytea,
    acknowledges boolean
) RETURNS TABLE (
    in_recovery boolean, database text, timeline bigint, head bigint, floor bigint, registered boolean, is_whole boolean,
    others_write boolean, seq bigint, tags text[], hard boolean, is_awaited boolean
)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, challenges_catalog, pg_temp SET lock_timeout = '400ms' SET jit = off AS $$
#variable_conflict use_column
DECLARE
    was_registered boolean;
    has_all boolean;
BEGIN
    IF pg_is_in_recovery() THEN
        RETURN QUERY SELECT
            true, ''::text, 0::bigint, 0::bigint, 0::bigint, false, false, false,
            NULL::bigint, NULL::text[], NULL::boolean, NULL::boolean;
        RETURN;
    END IF;
    has_all := challenges_catalog.number(2000, status IS NOT NULL);
    -- Half a minute before it is forgotten: what it calls fresh until then ends while it is still waited for.
    was_registered := EXISTS (
        SELECT FROM challenges_catalog.registry AS r
        WHERE r.id = replica_id AND r.heard_at > clock_timestamp() - interval '30 seconds'
    );
    IF status IS NOT NULL OR acknowledges THEN
        IF current_setting('synchronous_commit') <> 'local' THEN
            PERFORM set_config('synchronous_commit', 'off', true);
        END IF;
        IF status IS NOT NULL THEN
            PERFORM challenges_catalog.register(replica_id, replica_name, at_history, at_timeline, after, status);
        ELSE
            UPDATE challenges_catalog.registry AS r
            SET history = at_history, timeline = at_timeline, seq = after
            WHERE r.id = replica_id;
        END IF;
    END IF;
    RETURN QUERY
    SELECT
        false, n.history, n.timeline::bigint, newest.seq, s.floor, was_registered, has_all,
        pg_snapshot_xmin(newest.snapshot) <> pg_snapshot_xmax(newest.snapshot),
        page.seq, page.tags, page.hard, page.is_awaited
    FROM challenges_catalog.numbering AS n
    CROSS JOIN challenges_catalog.state AS s
    CROSS JOIN (
        SELECT l.seq, l.snapshot FROM challenges_catalog.commit_log AS l ORDER BY l.seq DESC LIMIT 1
    ) AS newest
    LEFT JOIN (
        SELECT l.seq, l.tags, l.hard, l.is_awaited
        FROM challenges_catalog.commit_log AS l
        WHERE l.seq > after
        ORDER BY l.seq
        LIMIT most
    ) AS page ON true
    ORDER BY page.seq;
END
$$;

CREATE OR REPLACE FUNCTION challenges_catalog.leave(replica_id uuid) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
    DELETE FROM challenges_catalog.registry WHERE id = replica_id;
$$;

-- For the release before. Its poll reads `replica`: while a commit has no number it finds itself too old there to vouch for anything,
-- and reports at once; and the report numbers.
CREATE VIEW challenges_catalog.replica AS
SELECT
    r.id,
    r.name,
    r.timeline,
    r.seq,
    r.status,
    CASE
        WHEN EXISTS (SELECT FROM challenges_catalog.unnumbered) THEN r.heard_at - interval '40 seconds'
        ELSE r.heard_at
    END AS heard_at
FROM challenges_catalog.registry AS r;

-- For the release before.
CREATE OR REPLACE FUNCTION challenges_catalog.report(
    replica_id uuid, replica_name text, at_timeline bigint, at_seq bigint, how bytea
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
BEGIN
    PERFORM challenges_catalog.number(2000, true);
    PERFORM challenges_catalog.register(replica_id, replica_name, NULL, at_timeline, at_seq, how);
END
$$;

-- For the release before.
CREATE OR REPLACE FUNCTION challenges_catalog.acknowledge(replica_id uuid, at_timeline bigint, at_seq bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    UPDATE challenges_catalog.registry
    SET timeline = at_timeline, seq = at_seq
    WHERE id = replica_id AND (timeline, seq) < (at_timeline, at_seq);
END
$$;

-- Forgets numbered commits that are older than `keep` or further back than a replica could still follow one by one, never the newest,
-- and what the outbox has of numbered ones: at most so many of each. Tells whether more is left. Readers behind the new floor start over.
CREATE FUNCTION challenges_catalog.prune(keep interval, most integer) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, challenges_catalog, pg_temp SET enable_seqscan = off SET jit = off AS $$
DECLARE
    newest bigint := (SELECT max(l.seq) FROM challenges_catalog.commit_log AS l);
    numbered xid8 := (
        SELECT pg_snapshot_xmin(l.snapshot) FROM challenges_catalog.commit_log AS l ORDER BY l.seq DESC LIMIT 1
    );
    cut bigint;
    commits_gone bigint;
    rows_gone bigint;
BEGIN
    -- Whoever finds the row taken leaves the work to the one who took it.
    PERFORM FROM challenges_catalog.state FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    SELECT max(oldest.seq) INTO cut
    FROM (
        SELECT l.seq, l.committed_at FROM challenges_catalog.commit_log AS l ORDER BY l.seq LIMIT most
    ) AS oldest
    WHERE oldest.seq < newest AND (oldest.committed_at < clock_timestamp() - keep OR oldest.seq < newest - 20000);
    DELETE FROM challenges_catalog.commit_log WHERE seq <= cut;
    GET DIAGNOSTICS commits_gone = ROW_COUNT;
    DELETE FROM challenges_catalog.outbox AS o
    USING (
        SELECT n.xid, n.id FROM challenges_catalog.outbox AS n WHERE n.xid < numbered ORDER BY n.xid, n.id LIMIT most
    ) AS done
    WHERE o.xid = done.xid AND o.id = done.id;
    GET DIAGNOSTICS rows_gone = ROW_COUNT;
    UPDATE challenges_catalog.state SET floor = cut WHERE floor < cut;
    RETURN greatest(commits_gone, rows_gone) >= most;
END
$$;

-- For the release before.
CREATE OR REPLACE FUNCTION challenges_catalog.prune(keep interval) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
    SELECT challenges_catalog.prune(keep, 10000)::integer::bigint;
$$;

CREATE OR REPLACE FUNCTION challenges_catalog.refuse_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('challenges_catalog.pruning', true) = 'on' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP
    USING ERRCODE = 'object_not_in_prerequisite_state',
        HINT = 'A change that the service shows is taken back by RevertChallenge, which adds a revision.';
END
$$;

-- Forgets revisions from before `older_than`, looking at so many after number `after`: not the newest of a challenge that is there, so
-- that the history always has what a row was before its next change. Gives how many went, and the number to go on from; null at the end.
CREATE INDEX challenge_revisions_log_idx ON challenges_catalog.challenge_revisions (log_id);
CREATE FUNCTION challenges_catalog.prune_revisions(
    older_than timestamptz, after bigint, most integer, OUT removed bigint, OUT go_on_from bigint
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
DECLARE
    commits bigint[];
BEGIN
    PERFORM set_config('challenges_catalog.pruning', 'on', true);
    WITH seen AS MATERIALIZED (
        SELECT r.id, r.challenge, r.operation, e.log_id, e.committed_at
        FROM (
            SELECT one.id, one.challenge, one.operation, one.log_id, one.xid
            FROM challenges_catalog.challenge_revisions AS one
            WHERE one.id > after
            ORDER BY one.id
            LIMIT most
        ) AS r
        JOIN challenges_catalog.edits AS e
            ON (r.xid IS NULL AND e.log_id = r.log_id)
            OR (e.xid = r.xid AND r.log_id BETWEEN e.log_id AND e.last_id)
    ),
    gone AS (
        DELETE FROM challenges_catalog.challenge_revisions AS r
        USING seen
        WHERE r.id = seen.id
            AND seen.committed_at < older_than
            AND (
                seen.operation = 'deleted'
                OR EXISTS (
                    SELECT FROM challenges_catalog.challenge_revisions AS newer
                    WHERE newer.challenge = seen.challenge AND newer.id > seen.id
                )
            )
        RETURNING seen.log_id
    )
    SELECT
        (SELECT count(*) FROM gone),
        (SELECT array_agg(DISTINCT gone.log_id) FROM gone),
        CASE WHEN count(*) = most AND min(seen.committed_at) < older_than THEN max(seen.id) END
    INTO removed, commits, go_on_from
    FROM seen;
    DELETE FROM challenges_catalog.edits AS e
    WHERE e.log_id = ANY (commits)
        AND NOT EXISTS (
            SELECT FROM challenges_catalog.challenge_revisions AS r
            WHERE r.log_id BETWEEN e.log_id AND coalesce(e.last_id, e.log_id) AND r.xid IS NOT DISTINCT FROM e.xid
        );
END
$$;

-- For the release before: what a commit touched, which is a column of the log now.
DO $$
DECLARE
    readers CONSTANT regrole[] := ARRAY(
        SELECT DISTINCT a.grantee::regrole
        FROM pg_class AS c
        CROSS JOIN LATERAL aclexplode(c.relacl) AS a
        WHERE c.oid IN ('challenges_catalog.change'::regclass, 'challenges_catalog.registry'::regclass)
            AND a.privilege_type = 'SELECT'
            AND a.grantee NOT IN (0, c.relowner)
    );
    reader regrole;
BEGIN
    DROP TABLE challenges_catalog.change;
    CREATE VIEW challenges_catalog.change AS
    SELECT l.id AS log_id, t.tag, l.hard
    FROM challenges_catalog.commit_log AS l
    CROSS JOIN LATERAL unnest(l.tags) AS t (tag);
    -- Who served on the schema of before serves on this one, without a step by hand.
    FOREACH reader IN ARRAY readers LOOP
        EXECUTE format(
            'GRANT SELECT ON
                challenges_catalog.change, challenges_catalog.numbering, challenges_catalog.registry, challenges_catalog.replica,
                challenges_catalog.unnumbered
            TO %s',
            reader
        );
        EXECUTE format(
            'GRANT EXECUTE ON FUNCTION
                challenges_catalog.invalidate(text[], boolean, boolean),
                challenges_catalog.number(integer, boolean),
                challenges_catalog.poll(bigint, integer, uuid, text, text, bigint, bytea, boolean),
                challenges_catalog.prune(interval, integer),
                challenges_catalog.prune_revisions(timestamptz, bigint, integer)
            TO %s',
            reader
        );
    END LOOP;
END
$$;

REVOKE ALL ON
    challenges_catalog.change,
    challenges_catalog.numbering,
    challenges_catalog.outbox,
    challenges_catalog.replica,
    challenges_catalog.uninterrupted,
    challenges_catalog.unnumbered
FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA challenges_catalog FROM PUBLIC;
