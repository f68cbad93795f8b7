DELETE FROM shown_tips
WHERE challenge IN (
    SELECT challenge
    FROM shown_tips
    WHERE expires_at <= CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)
    ORDER BY expires_at
    LIMIT $1
)
