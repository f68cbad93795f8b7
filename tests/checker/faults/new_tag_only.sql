-- A row that moves from one list to another is told to the list it enters, and not to the one it leaves.
CREATE FUNCTION challenges_catalog.forget_where_it_was() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.was_difficulty := NULL;
    RETURN NEW;
END
$$;
CREATE TRIGGER forget_where_it_was BEFORE INSERT ON challenges_catalog.changed_challenges
FOR EACH ROW EXECUTE FUNCTION challenges_catalog.forget_where_it_was();
