UPDATE catalog_replica
SET database = $2, seq = $3
WHERE id = $1
