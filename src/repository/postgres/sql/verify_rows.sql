-- Texts are cut just above the limit, so that they still count as too long and a page is never large.
SELECT
    checked.id::text AS id,
    checked.difficulty::text AS difficulty,
    checked.title::text AS title,
    left(coalesce(checked.description, ''), 5001) AS description,
    coalesce(checked.points, 10)::bigint AS points,
    left(checked.tips, 5001) AS tips
FROM public.approach_challenges AS checked
WHERE $1::text IS NULL OR checked.id > $1::text::uuid
-- By the column, which has an index; `id` alone would mean the text of the select list.
ORDER BY checked.id
LIMIT $2
