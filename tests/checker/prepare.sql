-- What the checker adds to a migrated database, before the replicas start.
CREATE SCHEMA checker;

-- Tells, for each transaction of the checker that took effect, which one it was. Numbers of transactions alone do not:
-- one whose COMMIT a crash undid leaves its number to another. `at` is shortly before the commit of an apply worker, of whose commits
-- PostgreSQL keeps the time at the publisher.
CREATE FUNCTION checker.is_apply_worker() RETURNS boolean LANGUAGE sql AS $$
    SELECT backend_type = 'logical replication worker' FROM pg_stat_activity WHERE pid = pg_backend_pid()
$$;
CREATE TABLE checker.mark (
    token bigint PRIMARY KEY,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    is_applied boolean NOT NULL DEFAULT checker.is_apply_worker()
);

-- What apply workers left of rows, nothing of one that is gone. Only the server knows: what changes a row that it does not see does nothing.
CREATE TABLE checker.applied (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    challenge uuid NOT NULL,
    difficulty text,
    points integer,
    title text
);
CREATE FUNCTION checker.note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO checker.applied (challenge, difficulty, points, title)
    VALUES (coalesce(NEW.id, OLD.id), NEW.difficulty, NEW.points, NEW.title);
    RETURN NULL;
END
$$;
CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON public.approach_challenges
FOR EACH ROW EXECUTE FUNCTION checker.note();
ALTER TABLE public.approach_challenges ENABLE REPLICA TRIGGER note;

-- What a promotion lost the publisher does not send again. A row whose deletion was lost gives way to the one that is sent later in its place:
-- else the apply worker would fail with it for ever, and the subscription with it.
CREATE FUNCTION checker.give_way() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    DELETE FROM public.approach_challenges WHERE id = NEW.id;
    RETURN NEW;
END
$$;
-- Rows that only the publisher makes.
CREATE TRIGGER give_way BEFORE INSERT ON public.approach_challenges
FOR EACH ROW WHEN (NEW.id > '00000000-0000-4000-8000-000000001200') EXECUTE FUNCTION checker.give_way();
ALTER TABLE public.approach_challenges ENABLE REPLICA TRIGGER give_way;

-- Commits that were pruned, whose numbers the judge still needs.
CREATE TABLE checker.pruned (xid xid8, seq bigint, snapshot pg_snapshot);
CREATE FUNCTION checker.keep() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO checker.pruned VALUES (OLD.xid, OLD.seq, OLD.snapshot);
    RETURN OLD;
END
$$;
CREATE TRIGGER keep BEFORE DELETE ON challenges_catalog.commit_log FOR EACH ROW EXECUTE FUNCTION checker.keep();

-- How long every statement of the serving role holds its snapshot open, once it has taken it.
CREATE TABLE checker.pace (seconds float8);
INSERT INTO checker.pace VALUES (0);
CREATE FUNCTION checker.pause() RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    wanted float8;
BEGIN
    SELECT seconds INTO wanted FROM checker.pace;
    IF wanted > 0 THEN
        PERFORM pg_sleep(random() * wanted);
    END IF;
    RETURN true;
END
$$;
GRANT USAGE ON SCHEMA checker TO PUBLIC;
-- A sub-select, so that it is evaluated once for each statement and not for each row.
CREATE POLICY pace ON public.approach_challenges AS RESTRICTIVE FOR SELECT USING ((SELECT checker.pause()));
