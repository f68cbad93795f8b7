-- A statement that changes challenges leaves one row for each of them in a queue, and nothing else: no row of the outbox, none of the
-- history, one index in place of six. Who numbers commits reads the queue; who prunes takes it into the history.

-- Writers are kept out while this is applied, and readers only of what is replaced.
LOCK TABLE public.approach_challenges IN SHARE ROW EXCLUSIVE MODE;

-- What statements made of challenges, with ids from the sequence of the outbox. `operation` is null where only the hour of a change
-- changed, which is no state to go back to. `was_difficulty` is the list that the row was in.
CREATE TABLE challenges_catalog.changed_challenges (
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    id bigint NOT NULL DEFAULT nextval('challenges_catalog.outbox_id_seq'),
    challenge uuid,
    operation text,
    was_difficulty text,
    difficulty text,
    title text,
    description text,
    points integer,
    tips text,
    created_at timestamptz,
    role text NOT NULL DEFAULT session_user,
    written_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (xid, id)
);
-- Where to look for what has no number yet, in the order of (xid, id): at transactions that the newest round saw under way and that have
-- ended since, and between those that are under way still. These are not looked at: they may have a million rows, and none would be seen.
CREATE VIEW challenges_catalog.unnumbered_ranges AS
SELECT r.from_xid, r.from_id, r.to_xid, r.to_id
FROM (SELECT l.snapshot FROM challenges_catalog.commit_log AS l ORDER BY l.seq DESC LIMIT 1) AS last
CROSS JOIN LATERAL (
    SELECT busy.xid AS from_xid, 0 AS from_id, busy.xid AS to_xid, 9223372036854775807 AS to_id
    FROM pg_snapshot_xip(last.snapshot) AS busy (xid)
    WHERE pg_visible_in_snapshot(busy.xid, pg_current_snapshot())
    UNION ALL
    SELECT
        edge.xid,
        edge.id,
        lead(edge.xid, 1, pg_snapshot_xmax(pg_current_snapshot())) OVER (ORDER BY edge.xid, edge.id),
        0
    FROM (
        SELECT pg_snapshot_xmax(last.snapshot) AS xid, 0 AS id
        UNION ALL
        SELECT busy.xid, 9223372036854775807
        FROM pg_snapshot_xip(pg_current_snapshot()) AS busy (xid)
        WHERE busy.xid >= pg_snapshot_xmax(last.snapshot)
    ) AS edge
) AS r;

-- What has committed and has no number yet.
CREATE OR REPLACE VIEW challenges_catalog.unnumbered AS
SELECT e.xid, e.id, e.tags, e.is_edit, e.role, e.editor, e.written_at
FROM challenges_catalog.unnumbered_ranges AS r
CROSS JOIN LATERAL (
    SELECT o.xid, o.id, o.tags, o.is_edit, o.role, o.editor, o.written_at
    FROM challenges_catalog.outbox AS o
    WHERE (o.xid, o.id) > (r.from_xid, r.from_id) AND (o.xid, o.id) < (r.to_xid, r.to_id)
    UNION ALL
    SELECT
        c.xid, c.id, ARRAY['challenge:' || c.challenge, 'difficulty:' || c.difficulty, 'difficulty:' || c.was_difficulty],
        true, c.role::name, NULL, c.written_at
    FROM challenges_catalog.changed_challenges AS c
    WHERE (c.xid, c.id) > (r.from_xid, r.from_id) AND (c.xid, c.id) < (r.to_xid, r.to_id)
) AS e;

-- Behind the view, as polls take them. So nobody takes an id while the sequence is set.
LOCK TABLE challenges_catalog.outbox, challenges_catalog.challenge_revisions IN SHARE ROW EXCLUSIVE MODE;
-- Revisions keep the ids that they have in the queue.
SELECT setval('challenges_catalog.outbox_id_seq', greatest(
    (SELECT s.last_value FROM challenges_catalog.outbox_id_seq AS s),
    (SELECT max(r.id) FROM challenges_catalog.challenge_revisions AS r)
) + 1);

-- What is committed now. The transaction that asks is not, whatever it sees of itself: so it may number, and may change something too.
CREATE FUNCTION challenges_catalog.committed_now() RETURNS pg_snapshot
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE
        WHEN pg_visible_in_snapshot(own.xid, whole) THEN concat(
            pg_snapshot_xmin(whole), ':', pg_snapshot_xmax(whole), ':', concat_ws(
                ',',
                (SELECT string_agg(x.xid::text, ',' ORDER BY x.xid) FROM pg_snapshot_xip(whole) AS x (xid) WHERE x.xid < own.xid),
                own.xid::text,
                (SELECT string_agg(x.xid::text, ',' ORDER BY x.xid) FROM pg_snapshot_xip(whole) AS x (xid) WHERE x.xid > own.xid)
            )
        )::pg_snapshot
        ELSE whole
    END
    FROM pg_current_snapshot() AS whole
    CROSS JOIN pg_current_xact_id_if_assigned() AS own (xid);
$$;

-- What has a number after a round that read `whole` and took transactions before `below`: these as `whole` shows them, and the others
-- as the round before left them. So a transaction that goes alone, being large, does not undo the numbers of those that began after it
-- and committed before it did.
CREATE OR REPLACE FUNCTION challenges_catalog.snapshot_below(whole pg_snapshot, below xid8) RETURNS pg_snapshot
LANGUAGE sql STABLE SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
    SELECT CASE
        WHEN below >= pg_snapshot_xmax(whole) THEN whole
        ELSE concat(coalesce(open.first, ends.before), ':', ends.before, ':', open.xids)::pg_snapshot
    END
    FROM (SELECT l.snapshot FROM challenges_catalog.commit_log AS l ORDER BY l.seq DESC LIMIT 1) AS last
    CROSS JOIN LATERAL (
        SELECT CASE WHEN below > pg_snapshot_xmax(last.snapshot) THEN below ELSE pg_snapshot_xmax(last.snapshot) END AS before
    ) AS ends
    CROSS JOIN LATERAL (
        SELECT (array_agg(x.xid ORDER BY x.xid))[1] AS first, string_agg(x.xid::text, ',' ORDER BY x.xid) AS xids
        FROM (
            SELECT w.xid FROM pg_snapshot_xip(whole) AS w (xid) WHERE w.xid < below
            UNION ALL
            SELECT s.xid FROM pg_snapshot_xip(last.snapshot) AS s (xid) WHERE s.xid >= below
        ) AS x
    ) AS open;
$$;

-- Takes up to `most` rows of the queue into the history, of transactions before `below`, and tells how many it took.
CREATE FUNCTION challenges_catalog.keep_revisions(below xid8, most bigint) RETURNS bigint
LANGUAGE sql SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
    WITH taken AS (
        DELETE FROM challenges_catalog.changed_challenges AS c
        USING (
            SELECT n.xid, n.id
            FROM challenges_catalog.changed_challenges AS n
            WHERE n.xid < below
            ORDER BY n.xid, n.id
            LIMIT most
        ) AS oldest
        WHERE c.xid = oldest.xid AND c.id = oldest.id
        RETURNING
            c.xid, c.id, c.challenge, c.operation, c.difficulty, c.title, c.description, c.points, c.tips, c.created_at
    ),
    kept AS (
        INSERT INTO challenges_catalog.challenge_revisions (
            id, challenge, log_id, xid, operation, difficulty, title, description, points, tips, created_at
        )
        OVERRIDING SYSTEM VALUE
        SELECT
            t.id, t.challenge, coalesce(e.log_id, t.id), t.xid, t.operation, t.difficulty, t.title, t.description, t.points,
            t.tips, t.created_at
        FROM taken AS t
        LEFT JOIN challenges_catalog.edits AS e ON e.xid = t.xid AND t.id BETWEEN e.log_id AND coalesce(e.last_id, e.log_id)
        WHERE t.operation IS NOT NULL
    )
    SELECT count(*) FROM taken AS t;
$$;

-- As in 0011, with the queue. A new history has no transactions of the one before: what they left is in its first number.
CREATE OR REPLACE FUNCTION challenges_catalog.start_over(is_new_history boolean) RETURNS void
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
        SELECT min(w.id), max(w.id), w.xid, min(w.role), max(w.editor), start, max(w.written_at)
        FROM (
            SELECT o.xid, o.id, o.role, o.editor, o.written_at FROM challenges_catalog.outbox AS o WHERE o.is_edit
            UNION ALL
            SELECT c.xid, c.id, c.role::name, NULL, c.written_at FROM challenges_catalog.changed_challenges AS c
        ) AS w
        WHERE NOT EXISTS (
            SELECT FROM challenges_catalog.edits AS e
            WHERE e.xid = w.xid AND w.id BETWEEN e.log_id AND e.last_id
        )
        GROUP BY w.xid;
        PERFORM challenges_catalog.keep_revisions('18446744073709551615', NULL);
        DELETE FROM challenges_catalog.outbox;
    END IF;
    INSERT INTO challenges_catalog.commit_log (id, xid, seq, committed_at, tags, hard, snapshot)
    OVERRIDING SYSTEM VALUE
    VALUES (
        nextval('challenges_catalog.outbox_id_seq'),
        pg_current_xact_id(),
        start,
        clock_timestamp(),
        ARRAY['challenges', 'flags'],
        true,
        CASE
            WHEN is_new_history THEN challenges_catalog.committed_now()
            ELSE (SELECT l.snapshot FROM challenges_catalog.commit_log AS l ORDER BY l.seq DESC LIMIT 1)
        END
    );
    UPDATE challenges_catalog.state SET floor = start;
    INSERT INTO challenges_catalog.uninterrupted DEFAULT VALUES ON CONFLICT DO NOTHING;
END
$$;

-- Gives numbers to commits that have none, to so many rows of the outbox and the queue at once, and tells whether all have one that
-- had committed when this was called. In READ COMMITTED: each statement here sees what committed before it. By indexes alone, and
-- only what transactions left that had no number: rows that others' long transactions keep from going are never walked over. What the
-- calling transaction itself changed gets its number after it has committed.
CREATE OR REPLACE FUNCTION challenges_catalog.number(most integer, is_thorough boolean DEFAULT false) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, challenges_catalog, pg_temp
SET enable_seqscan = off SET jit = off AS $$
DECLARE
    own CONSTANT xid8 := coalesce(pg_current_xact_id_if_assigned(), '0');
    newest bigint;
    is_whole boolean;
BEGIN
    -- As is_same_history(), whose call costs more than all of this.
    IF (NOT is_thorough OR challenges_catalog.is_same_history(true))
        AND EXISTS (
            SELECT FROM challenges_catalog.numbering AS n WHERE mod(n.xid::text::numeric, 4294967296) = n.xmin::text::numeric
        )
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
    -- Of all who were told of a commit the first gave the number, and the others waited for it.
    IF NOT EXISTS (SELECT FROM challenges_catalog.unnumbered) THEN
        RETURN true;
    END IF;
    SELECT max(l.seq) INTO newest FROM challenges_catalog.commit_log AS l;
    WITH pending AS MATERIALIZED (
        SELECT p.xid, p.id, p.tags, p.is_edit, p.role, p.written_at
        FROM challenges_catalog.unnumbered_ranges AS r
        CROSS JOIN LATERAL (
            (
                SELECT o.xid, o.id, o.tags, o.is_edit, o.role, o.written_at
                FROM challenges_catalog.outbox AS o
                WHERE (o.xid, o.id) > (r.from_xid, r.from_id) AND (o.xid, o.id) < (r.to_xid, r.to_id) AND o.xid <> own
                ORDER BY o.xid, o.id
                LIMIT most + 1
            )
            UNION ALL
            (
                SELECT
                    c.xid,
                    c.id,
                    ARRAY['challenge:' || c.challenge, 'difficulty:' || c.difficulty, 'difficulty:' || c.was_difficulty] AS tags,
                    true AS is_edit,
                    c.role::name,
                    c.written_at
                FROM challenges_catalog.changed_challenges AS c
                WHERE (c.xid, c.id) > (r.from_xid, r.from_id) AND (c.xid, c.id) < (r.to_xid, r.to_id) AND c.xid <> own
                ORDER BY c.xid, c.id
                LIMIT most + 1
            )
        ) AS p
        ORDER BY p.xid, p.id
        LIMIT most + 1
    ),
    -- Whole transactions, as many as fit; one that does not fit by itself goes alone.
    bound AS MATERIALIZED (
        SELECT
            b.is_whole,
            NOT b.is_whole AND b.first = b.last AS is_alone,
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
            -- More than this is "everything": a list would cost more than it saves. So is what was not read to its end.
            bound.is_alone OR count(*) > 1000 OR sum(cardinality(p.tags)) > 3000 AS is_everything,
            bound.is_alone OR bool_or(p.is_edit) AS is_edit,
            min(p.role) AS role,
            max(p.written_at) AS written_at,
            -- Of two that changed the same row the later one has the greatest id.
            row_number() OVER (ORDER BY max(p.id)) AS place,
            row_number() OVER (ORDER BY max(p.id) DESC) = 1 AS is_last
        FROM pending AS p
        CROSS JOIN bound
        -- A transaction that took its number meanwhile is among those that `below` means too.
        WHERE bound.is_whole OR p.xid < bound.below
        GROUP BY p.xid, bound.is_alone
    ),
    touched AS (
        SELECT p.xid, array_agg(DISTINCT t.tag) AS tags
        FROM commits AS c
        JOIN pending AS p ON p.xid = c.xid
        CROSS JOIN LATERAL unnest(p.tags) AS t (tag)
        WHERE NOT c.is_everything AND t.tag IS NOT NULL
        GROUP BY p.xid
    ),
    logged AS (
        INSERT INTO challenges_catalog.commit_log (id, xid, seq, committed_at, tags, hard, is_awaited, snapshot)
        OVERRIDING SYSTEM VALUE
        SELECT
            c.id,
            c.xid,
            newest + c.place,
            c.written_at,
            CASE WHEN c.is_everything THEN ARRAY['challenges', 'flags'] ELSE coalesce(t.tags, '{}') END,
            EXISTS (SELECT FROM challenges_catalog.outbox AS o WHERE o.xid = c.xid AND o.hard),
            EXISTS (SELECT FROM challenges_catalog.outbox AS o WHERE o.xid = c.xid AND o.is_awaited),
            CASE WHEN c.is_last THEN challenges_catalog.snapshot_below(challenges_catalog.committed_now(), bound.below) END
        FROM commits AS c
        CROSS JOIN bound
        LEFT JOIN touched AS t ON t.xid = c.xid
        RETURNING commit_log.id, commit_log.seq
    ),
    edited AS (
        INSERT INTO challenges_catalog.edits (log_id, last_id, xid, role, editor, seq, committed_at)
        SELECT
            c.id,
            greatest(
                (SELECT max(o.id) FROM challenges_catalog.outbox AS o WHERE o.xid = c.xid),
                (SELECT max(q.id) FROM challenges_catalog.changed_challenges AS q WHERE q.xid = c.xid)
            ),
            c.xid,
            c.role,
            -- The service names the editor at the end of its transaction.
            (
                SELECT o.editor
                FROM challenges_catalog.outbox AS o
                WHERE o.xid = c.xid AND o.editor IS NOT NULL
                ORDER BY o.id DESC
                LIMIT 1
            ),
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

-- The lowest id that the transaction has in the outbox or the queue, which is its id in the log; null when it noted nothing.
CREATE FUNCTION challenges_catalog.own_commit() RETURNS bigint
LANGUAGE sql VOLATILE SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
    SELECT least(
        (SELECT min(o.id) FROM challenges_catalog.outbox AS o WHERE o.xid = pg_current_xact_id()),
        (SELECT min(c.id) FROM challenges_catalog.changed_challenges AS c WHERE c.xid = pg_current_xact_id())
    );
$$;

CREATE OR REPLACE FUNCTION challenges_catalog.emit(tags text[], hard boolean DEFAULT false) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
BEGIN
    IF coalesce(cardinality(array_remove(emit.tags, NULL)), 0) > 0 THEN
        INSERT INTO challenges_catalog.outbox (tags, hard) VALUES (array_remove(emit.tags, NULL), emit.hard);
        PERFORM challenges_catalog.hint();
    END IF;
    RETURN challenges_catalog.own_commit();
END
$$;

CREATE OR REPLACE FUNCTION challenges_catalog.finish_edit(request_id text, edited uuid, counts bigint[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
DECLARE
    entry CONSTANT bigint := challenges_catalog.own_commit();
    named CONSTANT text := left(nullif(current_setting('challenges_catalog.editor', true), ''), 300);
BEGIN
    -- Not by a trigger of the table: any session can set a variable, and only the service may call this.
    IF entry IS NOT NULL AND named IS NOT NULL THEN
        INSERT INTO challenges_catalog.outbox (tags, is_edit, editor) VALUES ('{}', true, named);
    END IF;
    UPDATE challenges_catalog.edit_requests
    SET log_id = entry, challenge = edited, tally = counts
    WHERE id = request_id;
    RETURN entry;
END
$$;

-- Notes which rows a statement changed, as far as the service shows them. `TG_ARGV[0]` is since when all changes are noted: a row
-- that was last touched before goes into the history as it was found.
-- Without a search path, which would cost each writer more than the rest of the call but the INSERT does: so all names are whole,
-- operators too, and rows are compared by a function. One plan serves one row and a million, as a FULL JOIN is never a nested loop.
CREATE OR REPLACE FUNCTION challenges_catalog.note_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    since CONSTANT pg_catalog.timestamptz := TG_ARGV[0];
BEGIN
    IF TG_OP OPERATOR(pg_catalog.=) 'UPDATE' THEN
        IF EXISTS (
            SELECT FROM old_rows AS o WHERE o.updated_at IS NULL OR o.updated_at OPERATOR(pg_catalog.<) since
        ) THEN
            INSERT INTO challenges_catalog.changed_challenges (
                challenge, operation, difficulty, title, description, points, tips, created_at
            )
            SELECT o.id, 'found', o.difficulty, o.title, o.description, o.points, o.tips, o.created_at
            FROM old_rows AS o
            FULL JOIN new_rows AS n ON n.id OPERATOR(pg_catalog.=) o.id
            WHERE o.id IS NOT NULL
                AND n.id IS NOT NULL
                AND (o.updated_at IS NULL OR o.updated_at OPERATOR(pg_catalog.<) since)
                AND pg_catalog.record_image_ne(
                    ROW(o.difficulty, o.title, o.description, o.points, o.tips, o.created_at, o.updated_at),
                    ROW(n.difficulty, n.title, n.description, n.points, n.tips, n.created_at, n.updated_at)
                );
        END IF;
        -- A row that another id was given to is one that went and one that came.
        INSERT INTO challenges_catalog.changed_challenges (
            challenge, operation, was_difficulty, difficulty, title, description, points, tips, created_at
        )
        SELECT
            CASE WHEN n.id IS NULL THEN o.id ELSE n.id END,
            CASE
                WHEN n.id IS NULL THEN 'deleted'
                WHEN o.id IS NULL THEN 'created'
                WHEN pg_catalog.record_image_ne(
                    ROW(o.difficulty, o.title, o.description, o.points, o.tips, o.created_at),
                    ROW(n.difficulty, n.title, n.description, n.points, n.tips, n.created_at)
                ) THEN 'updated'
            END,
            o.difficulty,
            CASE WHEN n.id IS NULL THEN o.difficulty ELSE n.difficulty END,
            CASE WHEN n.id IS NULL THEN o.title ELSE n.title END,
            CASE WHEN n.id IS NULL THEN o.description ELSE n.description END,
            CASE WHEN n.id IS NULL THEN o.points ELSE n.points END,
            CASE WHEN n.id IS NULL THEN o.tips ELSE n.tips END,
            CASE WHEN n.id IS NULL THEN o.created_at ELSE n.created_at END
        FROM old_rows AS o
        FULL JOIN new_rows AS n ON n.id OPERATOR(pg_catalog.=) o.id
        WHERE pg_catalog.record_image_ne(
            ROW(o.id, o.difficulty, o.title, o.description, o.points, o.tips, o.created_at, o.updated_at),
            ROW(n.id, n.difficulty, n.title, n.description, n.points, n.tips, n.created_at, n.updated_at)
        );
    ELSIF TG_OP OPERATOR(pg_catalog.=) 'INSERT' THEN
        INSERT INTO challenges_catalog.changed_challenges (
            challenge, operation, difficulty, title, description, points, tips, created_at
        )
        SELECT n.id, 'created', n.difficulty, n.title, n.description, n.points, n.tips, n.created_at
        FROM new_rows AS n;
    ELSE
        INSERT INTO challenges_catalog.changed_challenges (
            challenge, operation, difficulty, title, description, points, tips, created_at
        )
        SELECT o.id, 'deleted', o.difficulty, o.title, o.description, o.points, o.tips, o.created_at
        FROM old_rows AS o;
    END IF;
    -- As hint(), which would cost a call.
    IF FOUND
        AND pg_catalog.current_setting('max_prepared_transactions') OPERATOR(pg_catalog.=) '0'
        AND pg_catalog.pg_try_advisory_xact_lock(7161094785523310113)
        AND pg_catalog.pg_notification_queue_usage() OPERATOR(pg_catalog.<) 0.5
    THEN
        PERFORM pg_catalog.pg_notify('challenges_catalog', '');
    END IF;
    RETURN NULL;
END
$$;

-- The same for one row that an apply worker of logical replication wrote, or a session that plays one: for these, triggers of
-- statements do not fire.
CREATE OR REPLACE FUNCTION challenges_catalog.note_replicated() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
DECLARE
    since CONSTANT timestamptz := TG_ARGV[0];
BEGIN
    -- Enabled for everybody by mistake, it would note twice.
    IF current_setting('session_replication_role') <> 'replica' THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'UPDATE' THEN
        IF record_image_eq(
            ROW(OLD.id, OLD.difficulty, OLD.title, OLD.description, OLD.points, OLD.tips, OLD.created_at, OLD.updated_at),
            ROW(NEW.id, NEW.difficulty, NEW.title, NEW.description, NEW.points, NEW.tips, NEW.created_at, NEW.updated_at)
        ) THEN
            RETURN NULL;
        END IF;
    END IF;
    IF TG_OP = 'DELETE' OR (TG_OP = 'UPDATE' AND (OLD.id <> NEW.id OR OLD.updated_at IS NULL OR OLD.updated_at < since)) THEN
        INSERT INTO challenges_catalog.changed_challenges (
            challenge, operation, difficulty, title, description, points, tips, created_at
        )
        VALUES (
            OLD.id, CASE WHEN TG_OP = 'DELETE' OR OLD.id <> NEW.id THEN 'deleted' ELSE 'found' END,
            OLD.difficulty, OLD.title, OLD.description, OLD.points, OLD.tips, OLD.created_at
        );
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO challenges_catalog.changed_challenges (
            challenge, operation, was_difficulty, difficulty, title, description, points, tips, created_at
        )
        VALUES (
            NEW.id,
            CASE WHEN TG_OP = 'INSERT' OR OLD.id <> NEW.id THEN 'created' ELSE 'updated' END,
            CASE WHEN TG_OP = 'UPDATE' THEN OLD.difficulty END,
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
    INSERT INTO challenges_catalog.outbox (tags, is_edit) VALUES (ARRAY['challenges'], true);
    INSERT INTO challenges_catalog.changed_challenges (
        challenge, operation, difficulty, title, description, points, tips, created_at
    )
    SELECT r.id, 'deleted', r.difficulty, r.title, r.description, r.points, r.tips, r.created_at
    FROM public.approach_challenges AS r;
    PERFORM challenges_catalog.hint();
    RETURN NULL;
END
$$;

-- As in 0011, and takes what has numbers out of the queue into the history.
CREATE OR REPLACE FUNCTION challenges_catalog.prune(keep interval, most integer) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, challenges_catalog, pg_temp SET enable_seqscan = off SET jit = off AS $$
DECLARE
    newest bigint := (SELECT max(l.seq) FROM challenges_catalog.commit_log AS l);
    -- All transactions before this one have ended, and what they left has numbers.
    numbered xid8 := CASE
        WHEN EXISTS (SELECT FROM challenges_catalog.unnumbered) THEN (
            SELECT pg_snapshot_xmin(l.snapshot) FROM challenges_catalog.commit_log AS l ORDER BY l.seq DESC LIMIT 1
        )
        ELSE pg_snapshot_xmin(pg_current_snapshot())
    END;
    cut bigint;
    commits_gone bigint;
    rows_gone bigint;
    rows_kept bigint;
BEGIN
    -- In a restored dump the numbers of transactions say nothing until the next poll has begun a history.
    IF NOT challenges_catalog.is_same_history(true) THEN
        RETURN false;
    END IF;
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
    rows_kept := challenges_catalog.keep_revisions(numbered, most);
    UPDATE challenges_catalog.state SET floor = cut WHERE floor < cut;
    RETURN greatest(commits_gone, rows_gone, rows_kept) >= most;
END
$$;

-- For the event trigger: the table may have another shape. Sessions that have updated rows know the types that its columns had, and
-- would fail; a function that was altered is read again.
CREATE FUNCTION challenges_catalog.note_shape() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
BEGIN
    -- Nobody's DDL must fail by it.
    IF EXISTS (
        SELECT FROM pg_proc AS p
        WHERE p.oid = to_regprocedure('challenges_catalog.touch()') AND pg_has_role(current_user, p.proowner, 'USAGE')
    ) THEN
        ALTER FUNCTION challenges_catalog.touch() VOLATILE;
    END IF;
    PERFORM challenges_catalog.emit(ARRAY['challenges']);
END
$$;

-- As in 0011, by indexes alone: from the sixth call of a session on, the plan was one that read the whole history for each commit. A
-- revision whose commit nobody knows stays, and is no end.
CREATE OR REPLACE FUNCTION challenges_catalog.prune_revisions(
    older_than timestamptz, after bigint, most integer, OUT removed bigint, OUT go_on_from bigint
)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, challenges_catalog, pg_temp SET enable_seqscan = off SET jit = off AS $$
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
        LEFT JOIN challenges_catalog.edits AS e
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

-- Nobody else writes the column, and the check cost each statement more than it told.
ALTER TABLE challenges_catalog.challenge_revisions DROP CONSTRAINT challenge_revisions_operation_check;

REVOKE ALL ON challenges_catalog.changed_challenges, challenges_catalog.unnumbered_ranges FROM PUBLIC;
REVOKE ALL ON FUNCTION
    challenges_catalog.committed_now(),
    challenges_catalog.keep_revisions(xid8, bigint),
    challenges_catalog.note_shape(),
    challenges_catalog.own_commit()
FROM PUBLIC;

-- Who reads the history reads the queue too.
DO $$
DECLARE
    reader regrole;
BEGIN
    FOR reader IN
        SELECT DISTINCT a.grantee::regrole
        FROM pg_class AS c
        CROSS JOIN LATERAL aclexplode(c.relacl) AS a
        WHERE c.oid = 'challenges_catalog.challenge_revisions'::regclass
            AND a.privilege_type = 'SELECT'
            AND a.grantee NOT IN (0, c.relowner)
    LOOP
        EXECUTE format('GRANT SELECT ON challenges_catalog.changed_challenges TO %s', reader);
    END LOOP;
END
$$;
