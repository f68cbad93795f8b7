(
    SELECT 'difficulty' AS rule, id::text AS id
    FROM public.approach_challenges
    WHERE difficulty NOT IN ('beginner', 'intermediate', 'advanced')
    ORDER BY id
    LIMIT 21
)
UNION ALL
(
    SELECT 'title', id::text
    FROM public.approach_challenges
    WHERE btrim(title) = ''
    ORDER BY id
    LIMIT 21
)
UNION ALL
(
    SELECT 'points', id::text
    FROM public.approach_challenges
    WHERE points NOT BETWEEN 0 AND 1000
    ORDER BY id
    LIMIT 21
)
