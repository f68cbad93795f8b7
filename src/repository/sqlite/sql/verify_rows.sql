-- A text with more bytes than its permitted characters can have is too long, and is replaced by a short one that is too long as
-- well, so that a page is never large. It is not measured or cut in characters, because that stops at a NUL.
SELECT
    id,
    difficulty,
    CASE WHEN length(CAST(title AS BLOB)) > 4 * 200 THEN printf('%.*c', 201, 'x') ELSE title END AS title,
    CASE
        WHEN length(CAST(description AS BLOB)) > 4 * 5000 THEN printf('%.*c', 5001, 'x')
        ELSE coalesce(description, '')
    END AS description,
    coalesce(points, 10) AS points,
    CASE WHEN length(CAST(tips AS BLOB)) > 4 * 5000 THEN printf('%.*c', 5001, 'x') ELSE tips END AS tips
FROM approach_challenges
WHERE id > coalesce(CAST($1 AS TEXT), '')
ORDER BY id
LIMIT $2
