-- The order of every list: difficulty, points, title byte by byte, id.
-- An empty table is indexed here and now. One with rows is left to `migrate up`, which builds the same index CONCURRENTLY,
-- outside of any transaction, so that the table's writers carry on.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM public.approach_challenges) THEN
        CREATE INDEX IF NOT EXISTS approach_challenges_catalog_order ON public.approach_challenges (
            (CASE difficulty WHEN 'beginner' THEN 1 WHEN 'intermediate' THEN 2 WHEN 'advanced' THEN 3 END),
            (coalesce(points, 10)),
            title COLLATE "C",
            id
        );
    END IF;
END
$$;
