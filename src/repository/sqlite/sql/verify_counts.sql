SELECT
    difficulty AS difficulty,
    count(*) AS rows,
    count(*) FILTER (WHERE description IS NULL) AS no_description,
    count(*) FILTER (WHERE points IS NULL) AS no_points,
    count(*) FILTER (
        WHERE created_at NOT BETWEEN -62135596800000000 AND 253402300799999999
            OR updated_at NOT BETWEEN -62135596800000000 AND 253402300799999999
    ) AS invalid_times
FROM approach_challenges
GROUP BY difficulty
