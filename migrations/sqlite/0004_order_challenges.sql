-- The order of every list: difficulty, points, title byte by byte, id.
CREATE INDEX approach_challenges_catalog_order ON approach_challenges (
    (CASE difficulty WHEN 'beginner' THEN 1 WHEN 'intermediate' THEN 2 WHEN 'advanced' THEN 3 END),
    (coalesce(points, 10)),
    title,
    id
);
