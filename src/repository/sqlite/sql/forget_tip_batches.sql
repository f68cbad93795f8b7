DELETE FROM tip_batches
WHERE closed_at < CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER) - 90 * 86400000000
