SELECT
    id,
    name,
    database,
    timeline,
    seq,
    status,
    CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER) - heard_at AS heard_ago_us
FROM catalog_replica
ORDER BY name
