-- A commit gets its number from its writer, while that is at work; polls take it that whoever has a number has committed.
CREATE SEQUENCE checker.early_number;
SELECT setval('checker.early_number', (SELECT max(seq) FROM challenges_catalog.commit_log));
CREATE FUNCTION checker.number_early(xid xid8, id bigint, tags text[], hard boolean, is_awaited boolean) RETURNS void
LANGUAGE sql SECURITY DEFINER AS $$
    INSERT INTO challenges_catalog.commit_log (id, xid, seq, committed_at, tags, hard, is_awaited, snapshot)
    OVERRIDING SYSTEM VALUE
    VALUES (
        number_early.id, number_early.xid, nextval('checker.early_number'), clock_timestamp(),
        array_remove(number_early.tags, NULL), number_early.hard, number_early.is_awaited, pg_current_snapshot()
    )
$$;
CREATE FUNCTION checker.number_outbox() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM checker.number_early(NEW.xid, NEW.id, NEW.tags, NEW.hard, NEW.is_awaited);
    RETURN NULL;
END
$$;
CREATE FUNCTION checker.number_queue() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM checker.number_early(
        NEW.xid, NEW.id,
        ARRAY['challenge:' || NEW.challenge, 'difficulty:' || NEW.difficulty, 'difficulty:' || NEW.was_difficulty],
        false, false
    );
    RETURN NULL;
END
$$;
CREATE TRIGGER number_early AFTER INSERT ON challenges_catalog.outbox
FOR EACH ROW EXECUTE FUNCTION checker.number_outbox();
ALTER TABLE challenges_catalog.outbox ENABLE ALWAYS TRIGGER number_early;
CREATE TRIGGER number_early AFTER INSERT ON challenges_catalog.changed_challenges
FOR EACH ROW EXECUTE FUNCTION checker.number_queue();
ALTER TABLE challenges_catalog.changed_challenges ENABLE ALWAYS TRIGGER number_early;
CREATE OR REPLACE VIEW challenges_catalog.unnumbered AS
SELECT o.xid, o.id, o.tags, o.is_edit, o.role, o.editor, o.written_at
FROM challenges_catalog.outbox AS o
WHERE false;
CREATE OR REPLACE FUNCTION challenges_catalog.number(most integer, is_thorough boolean DEFAULT false) RETURNS boolean
LANGUAGE sql AS 'SELECT true';
