DELETE FROM catalog_replica
WHERE heard_at < CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER) - 60000000
