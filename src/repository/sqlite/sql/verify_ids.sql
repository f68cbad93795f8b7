SELECT id
FROM approach_challenges
WHERE id > coalesce(CAST($1 AS TEXT), '')
ORDER BY id
LIMIT $2
