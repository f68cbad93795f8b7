-- The ordered list of commits that changed the catalog: what every cached answer is checked against.

-- One row for each transaction that changes the catalog. `seq` is given while the transaction commits.
-- The transaction's number is no key: rows that pg_dump restored carry the numbers of another cluster, and one of them could
-- equal that of a transaction to come, whose commit would then go unnoticed. Only rows that wait for their seq must differ.
CREATE TABLE challenges_catalog.commit_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    xid xid8 NOT NULL,
    seq bigint UNIQUE,
    committed_at timestamptz
);
CREATE UNIQUE INDEX commit_log_open_idx ON challenges_catalog.commit_log (xid) WHERE seq IS NULL;

-- What the commit touched: tags as the service prints them.
CREATE TABLE challenges_catalog.change (
    log_id bigint NOT NULL REFERENCES challenges_catalog.commit_log (id) ON DELETE CASCADE,
    tag text NOT NULL,
    hard boolean NOT NULL DEFAULT false,
    PRIMARY KEY (log_id, tag)
);

CREATE SEQUENCE challenges_catalog.commit_seq;

-- One row. `floor`: commits up to it may have been pruned. The key signs page tokens; gen_random_uuid() is the one
-- source of strong randomness that needs no extension.
CREATE TABLE challenges_catalog.state (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    database_id uuid NOT NULL DEFAULT gen_random_uuid(),
    floor bigint NOT NULL DEFAULT 0,
    page_token_key bytea NOT NULL CHECK (length(page_token_key) = 32)
);
INSERT INTO challenges_catalog.state (page_token_key)
VALUES (sha256(convert_to(concat(gen_random_uuid(), gen_random_uuid(), gen_random_uuid()), 'UTF8')));

-- Notes that this transaction changes what `tags` name; gives the row of the log that will carry its seq.
-- `hard` forbids to serve copies from before it, even as stale ones.
CREATE FUNCTION challenges_catalog.emit(tags text[], hard boolean DEFAULT false) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
DECLARE
    entry bigint;
BEGIN
    IF coalesce(cardinality(tags), 0) = 0 THEN
        RETURN NULL;
    END IF;
    SELECT l.id INTO entry
    FROM challenges_catalog.commit_log AS l
    WHERE l.xid = pg_current_xact_id() AND l.seq IS NULL;
    IF entry IS NULL THEN
        INSERT INTO challenges_catalog.commit_log (xid)
        VALUES (pg_current_xact_id())
        RETURNING id INTO entry;
    END IF;
    INSERT INTO challenges_catalog.change AS c (log_id, tag, hard)
    SELECT DISTINCT entry, touched.tag, emit.hard
    FROM unnest(emit.tags) AS touched (tag)
    WHERE touched.tag IS NOT NULL
    ON CONFLICT (log_id, tag) DO UPDATE
    SET hard = true
    WHERE excluded.hard AND NOT c.hard;
    RETURN entry;
END
$$;

-- Gives the commit its number. The lock is released only after the commit is visible, so whoever sees number n sees all before it.
CREATE FUNCTION challenges_catalog.seal() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
DECLARE
    number bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(7161094785523310113);
    number := nextval('challenges_catalog.commit_seq');
    UPDATE challenges_catalog.commit_log
    SET seq = number, committed_at = clock_timestamp()
    WHERE id = NEW.id;
    -- A notification only hurries readers, who poll anyway; so it must never make a writer fail. A full queue fails the
    -- commit, and a transaction that notified cannot be prepared for a two-phase commit.
    IF pg_notification_queue_usage() < 0.5 AND current_setting('max_prepared_transactions') = '0' THEN
        PERFORM pg_notify('challenges_catalog', number::text);
    END IF;
    RETURN NULL;
END
$$;

-- Deferred: a number given earlier would hold the lock for the rest of the transaction. Rows of a dump have theirs.
CREATE CONSTRAINT TRIGGER seal AFTER INSERT ON challenges_catalog.commit_log
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.seq IS NULL)
EXECUTE FUNCTION challenges_catalog.seal();
ALTER TABLE challenges_catalog.commit_log ENABLE ALWAYS TRIGGER seal;

-- The history that commits are numbered in. It changes when a standby is promoted, where commits can be lost.
-- The control file lags behind a promotion, so it is asked only where the other way is closed. 0 where an engine has no timelines.
CREATE FUNCTION challenges_catalog.timeline() RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF pg_is_in_recovery() THEN
        RETURN (SELECT timeline_id FROM pg_control_checkpoint());
    END IF;
    RETURN ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer;
EXCEPTION
    WHEN feature_not_supported OR insufficient_privilege OR undefined_function THEN
        RETURN 0;
END
$$;

-- 16 hexadecimal digits that tell this database from others, and from its own dump restored elsewhere.
CREATE FUNCTION challenges_catalog.database() RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
DECLARE
    cluster text := '';
BEGIN
    BEGIN
        SELECT c.system_identifier::text INTO cluster FROM pg_control_system() AS c;
    EXCEPTION
        WHEN feature_not_supported OR insufficient_privilege OR undefined_function THEN
            cluster := '';
    END;
    RETURN (
        SELECT left(md5(concat_ws(':', s.database_id, cluster, d.oid)), 16)
        FROM challenges_catalog.state AS s
        CROSS JOIN pg_database AS d
        WHERE d.datname = current_database()
    );
END
$$;

-- For operators, after a dump was restored into this very database: caches must not take its numbers for the old ones.
CREATE FUNCTION challenges_catalog.begin_new_history() RETURNS text
LANGUAGE sql SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
    UPDATE challenges_catalog.state SET database_id = gen_random_uuid();
    SELECT challenges_catalog.database();
$$;

-- Forgets commits older than `keep`, never the newest, and tells how many. Readers behind the new floor start over.
CREATE FUNCTION challenges_catalog.prune(keep interval) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
DECLARE
    cut bigint;
    gone bigint;
BEGIN
    -- Whoever finds the row taken leaves the work to the one who took it.
    PERFORM FROM challenges_catalog.state FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    SELECT max(l.seq) INTO cut
    FROM challenges_catalog.commit_log AS l
    WHERE l.committed_at < now() - keep
        AND l.seq < (SELECT max(newest.seq) FROM challenges_catalog.commit_log AS newest);
    DELETE FROM challenges_catalog.commit_log WHERE seq <= cut;
    GET DIAGNOSTICS gone = ROW_COUNT;
    UPDATE challenges_catalog.state SET floor = cut WHERE floor < cut;
    RETURN gone;
END
$$;

REVOKE ALL ON ALL TABLES IN SCHEMA challenges_catalog FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA challenges_catalog FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA challenges_catalog FROM PUBLIC;
