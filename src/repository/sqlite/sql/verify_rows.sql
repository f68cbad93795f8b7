-- A text of more bytes than its characters can take is too long whatever it says: another one that is too long stands for it,
-- so that a page is never large. In characters it is not measured or cut here, because that ends at a NUL.
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
