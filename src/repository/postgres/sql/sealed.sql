SELECT challenges_catalog.timeline()::bigint AS timeline, seq
FROM challenges_catalog.commit_log
WHERE id = $1 AND seq IS NOT NULL
