UPDATE catalog_replica
SET timeline = $2, seq = $3
WHERE id = $1 AND (timeline, seq) < ($2, $3)
