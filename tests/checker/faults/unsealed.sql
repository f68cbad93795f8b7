-- Numbers are given when the change is made, as a bigserial would, and not while it commits under the lock.
DO $fault$
DECLARE
    whole text := pg_get_functiondef('challenges_catalog.emit(text[], boolean)'::regprocedure);
    sealed text := 'INSERT INTO challenges_catalog.commit_log (xid)
        VALUES (pg_current_xact_id())';
BEGIN
    IF position(sealed IN whole) = 0 THEN
        RAISE EXCEPTION 'the function has changed; change this fault too';
    END IF;
    EXECUTE replace(whole, sealed, $early$INSERT INTO challenges_catalog.commit_log (xid, seq, committed_at)
        VALUES (pg_current_xact_id(), nextval('challenges_catalog.commit_seq'), clock_timestamp())$early$);
END
$fault$;
