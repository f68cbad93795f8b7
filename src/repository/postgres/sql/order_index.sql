CREATE INDEX CONCURRENTLY IF NOT EXISTS approach_challenges_catalog_order ON public.approach_challenges (
    (CASE difficulty WHEN 'beginner' THEN 1 WHEN 'intermediate' THEN 2 WHEN 'advanced' THEN 3 END),
    (coalesce(points, 10)),
    title COLLATE "C",
    id
)
