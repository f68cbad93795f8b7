-- Before mend_triggers(): disables what notes changes, so that it is made anew, unless every trigger of the table is as it must be.
-- DISABLE and ENABLE, as pg_restore --disable-triggers does them, leave most triggers as they were, so it shows by the others alone that
-- rows may have changed unseen. A trigger made anew takes no row from before it for known. The lock lets nobody write in between.
DO $$
DECLARE
    noting record;
BEGIN
    IF 6 = (
        SELECT count(*)
        FROM pg_trigger AS t
        WHERE t.tgrelid = 'public.approach_challenges'::regclass
            AND (t.tgname::text, t.tgenabled::text) IN (
                ('challenges_catalog_delete', 'O'),
                ('challenges_catalog_insert', 'O'),
                ('challenges_catalog_keep', 'A'),
                ('challenges_catalog_replicated', 'R'),
                ('challenges_catalog_touch', 'A'),
                ('challenges_catalog_update', 'O')
            )
    ) THEN
        RETURN;
    END IF;
    LOCK TABLE public.approach_challenges IN ACCESS EXCLUSIVE MODE;
    FOR noting IN
        SELECT t.tgname AS name
        FROM pg_trigger AS t
        JOIN pg_proc AS p ON p.oid = t.tgfoid
        WHERE t.tgrelid = 'public.approach_challenges'::regclass
            AND p.pronamespace = 'challenges_catalog'::regnamespace
            AND p.proname IN ('note_change', 'note_replicated')
    LOOP
        EXECUTE format('ALTER TABLE public.approach_challenges DISABLE TRIGGER %I', noting.name);
    END LOOP;
END
$$;
