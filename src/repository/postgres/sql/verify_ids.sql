SELECT id
FROM public.approach_challenges
WHERE $1::uuid IS NULL OR id > $1
ORDER BY id
LIMIT $2
