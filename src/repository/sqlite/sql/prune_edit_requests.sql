DELETE FROM edit_requests
WHERE id IN (
    SELECT id
    FROM edit_requests
    WHERE asked_at < CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER) - $1
    ORDER BY asked_at
    LIMIT $2
)
