SELECT
    difficulty::text AS difficulty,
    count(*) AS rows,
    count(*) FILTER (WHERE description IS NULL) AS no_description,
    count(*) FILTER (WHERE points IS NULL) AS no_points
FROM public.approach_challenges
GROUP BY difficulty
