DELETE FROM tip_attempts
WHERE rowid IN (
    SELECT rowid
    FROM tip_attempts
    WHERE ended_at < CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER) - $1
    ORDER BY ended_at
    LIMIT $2
)
