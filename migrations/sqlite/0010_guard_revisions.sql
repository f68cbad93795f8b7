-- Makes of the history what 0008 says that it is: revisions are added, and never changed or removed.
CREATE TRIGGER challenge_revisions_update BEFORE UPDATE ON challenge_revisions
BEGIN
    SELECT RAISE(ABORT, 'challenge_revisions is append-only: UPDATE is refused');
END;

CREATE TRIGGER challenge_revisions_delete BEFORE DELETE ON challenge_revisions
BEGIN
    SELECT RAISE(ABORT, 'challenge_revisions is append-only: DELETE is refused');
END;

-- INSERT OR REPLACE removes the old row without firing DELETE triggers. An id that is not given is none yet here, or -1.
CREATE TRIGGER challenge_revisions_replace BEFORE INSERT ON challenge_revisions
WHEN NEW.id > 0 AND EXISTS (SELECT 1 FROM challenge_revisions WHERE id = NEW.id)
BEGIN
    SELECT RAISE(ABORT, 'challenge_revisions is append-only: REPLACE is refused');
END;
