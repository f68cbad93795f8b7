UPDATE tip_batches
SET closed_as = CASE WHEN $2 THEN 'lost' ELSE 'imported' END,
    closed_at = CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)
WHERE id = $1 AND closed_as IS NULL
