-- A text that is too long is cut to where that still shows, so that a page is never large.
SELECT
    id::text AS id,
    difficulty::text AS difficulty,
    title::text AS title,
    left(coalesce(description, ''), 5001) AS description,
    coalesce(points, 10)::bigint AS points,
    left(tips, 5001) AS tips
FROM public.approach_challenges
WHERE $1::text IS NULL OR id > $1::text::uuid
ORDER BY id
LIMIT $2
