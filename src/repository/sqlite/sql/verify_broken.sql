SELECT 'difficulty' AS rule, id
FROM (
    SELECT id
    FROM approach_challenges
    WHERE difficulty NOT IN ('beginner', 'intermediate', 'advanced')
    ORDER BY id
    LIMIT 21
)
UNION ALL
SELECT 'title', id
FROM (
    SELECT id
    FROM approach_challenges
    WHERE trim(title) = ''
    ORDER BY id
    LIMIT 21
)
UNION ALL
SELECT 'points', id
FROM (
    SELECT id
    FROM approach_challenges
    WHERE points NOT BETWEEN 0 AND 1000
    ORDER BY id
    LIMIT 21
)
