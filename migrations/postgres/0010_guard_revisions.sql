-- Makes of the history what 0008 says that it is: revisions are added, and never changed or removed, by the table's owner
-- neither. Rights keep everybody else out; the owner's own mistakes stop here, unless it disables the triggers on purpose.
CREATE FUNCTION challenges_catalog.refuse_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP
    USING ERRCODE = 'object_not_in_prerequisite_state',
        HINT = 'A change that the service shows is taken back by RevertChallenge, which adds a revision.';
END
$$;

REVOKE ALL ON FUNCTION challenges_catalog.refuse_change() FROM PUBLIC;

CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON challenges_catalog.challenge_revisions
FOR EACH ROW EXECUTE FUNCTION challenges_catalog.refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON challenges_catalog.challenge_revisions
FOR EACH STATEMENT EXECUTE FUNCTION challenges_catalog.refuse_change();
ALTER TABLE challenges_catalog.challenge_revisions
    ENABLE ALWAYS TRIGGER refuse_change,
    ENABLE ALWAYS TRIGGER refuse_truncate;
