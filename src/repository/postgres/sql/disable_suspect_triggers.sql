-- Runs before mend_triggers(). Unless every trigger of the table is as it must be, this disables those that note changes, so that
-- mend_triggers() creates them anew and counts all rows as changed. After DISABLE and ENABLE, as pg_restore --disable-triggers runs
-- them, most triggers look as before; the ALWAYS and REPLICA triggers alone show that rows may have changed unnoticed. The lock
-- keeps writers out in between.
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
