-- The replicas of the service, and the tasks that one of them does for all. The role that serves has no rights on the tables
-- but to read: it calls the functions.

-- A replica calls no answer fresh before it stands here, so whoever waits for all of these waits for all that matter.
CREATE TABLE challenges_catalog.replica (
    id uuid PRIMARY KEY,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    timeline bigint NOT NULL,
    seq bigint NOT NULL,
    status bytea NOT NULL CHECK (length(status) <= 65536),
    heard_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE challenges_catalog.task (
    name text PRIMARY KEY,
    holder uuid NOT NULL,
    until timestamptz NOT NULL
);

-- Registers a replica, or takes in what it tells now; forgets those that have told nothing for a minute.
-- None of this must survive a crash of the server, so nobody waits for the disk.
CREATE FUNCTION challenges_catalog.report(replica_id uuid, replica_name text, at_timeline bigint, at_seq bigint, how bytea)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    INSERT INTO challenges_catalog.replica AS r (id, name, timeline, seq, status)
    VALUES (replica_id, replica_name, at_timeline, at_seq, how)
    ON CONFLICT (id) DO UPDATE
    SET name = excluded.name, timeline = excluded.timeline, seq = excluded.seq, status = excluded.status,
        heard_at = clock_timestamp();
    DELETE FROM challenges_catalog.replica
    WHERE id IN (
        SELECT silent.id FROM challenges_catalog.replica AS silent
        WHERE silent.heard_at < clock_timestamp() - interval '1 minute'
        FOR UPDATE SKIP LOCKED
    );
END
$$;

-- Takes in how far a registered replica is; only forwards.
CREATE FUNCTION challenges_catalog.acknowledge(replica_id uuid, at_timeline bigint, at_seq bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    UPDATE challenges_catalog.replica
    SET timeline = at_timeline, seq = at_seq
    WHERE id = replica_id AND (timeline, seq) < (at_timeline, at_seq);
END
$$;

CREATE FUNCTION challenges_catalog.leave(replica_id uuid) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
    DELETE FROM challenges_catalog.replica WHERE id = replica_id;
$$;

-- Gives the task to whoever asks first, until its time is over.
CREATE FUNCTION challenges_catalog.take_task(task_name text, asking uuid, ttl interval) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
BEGIN
    INSERT INTO challenges_catalog.task AS t (name, holder, until)
    VALUES (task_name, asking, clock_timestamp() + ttl)
    ON CONFLICT (name) DO UPDATE
    SET holder = excluded.holder, until = excluded.until
    WHERE t.holder = asking OR t.until < clock_timestamp();
    RETURN FOUND;
END
$$;

CREATE FUNCTION challenges_catalog.drop_task(task_name text, asking uuid) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
    DELETE FROM challenges_catalog.task WHERE name = task_name AND holder = asking;
$$;

-- Declares what `tags` name changed, as a change of the rows would; gives the row of the log that will carry its number.
CREATE FUNCTION challenges_catalog.invalidate(tags text[], hard boolean) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
    SELECT challenges_catalog.emit(tags, hard);
$$;

REVOKE ALL ON challenges_catalog.replica, challenges_catalog.task FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA challenges_catalog FROM PUBLIC;
