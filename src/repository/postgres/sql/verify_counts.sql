SELECT
    difficulty::text AS difficulty,
    count(*) AS rows,
    count(*) FILTER (WHERE description IS NULL) AS no_description,
    count(*) FILTER (WHERE points IS NULL) AS no_points,
    count(*) FILTER (
        WHERE created_at NOT BETWEEN '0001-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00'
            OR updated_at NOT BETWEEN '0001-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00'
    ) AS invalid_times
FROM public.approach_challenges
GROUP BY difficulty
