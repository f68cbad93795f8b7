DELETE FROM challenge_tips
WHERE key IN (
    SELECT key
    FROM challenge_tips
    WHERE expires_at < CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER) - $1
    ORDER BY expires_at
    LIMIT $2
)
