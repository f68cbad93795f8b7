-- Runs before a migration that locks tables exclusively: locks the tables that are always in use, within one lock_timeout for all of
-- them. It locks writers out first, while readers go on. Some readers lock the log before the challenges table, others the other way
-- round: so this waits for the first table only. If another one is not free soon, it releases all, and tries from the other end.
SELECT set_config('statement_timeout', current_setting('lock_timeout'), true);
DO $$
DECLARE
    usual CONSTANT text := current_setting('lock_timeout');
    tables text[] := ARRAY[
        'challenges_catalog.commit_log', 'challenges_catalog.shown_tips', 'public.approach_challenges', 'public.feature_flags'
    ];
BEGIN
    LOCK TABLE public.approach_challenges, public.feature_flags IN SHARE ROW EXCLUSIVE MODE;
    LOOP
        BEGIN
            FOR place IN 1 .. 4 LOOP
                EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', tables[place]);
                PERFORM set_config('lock_timeout', '20ms', true);
            END LOOP;
            EXIT;
        EXCEPTION
            WHEN lock_not_available THEN
                tables := ARRAY[tables[4], tables[3], tables[2], tables[1]];
        END;
    END LOOP;
    PERFORM set_config('lock_timeout', usual, true);
END
$$;
SET LOCAL statement_timeout = 0;
