SELECT max(shown_at + $1 - CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER), 0)
FROM tips_last_shown
WHERE EXISTS (SELECT key FROM challenge_tips WHERE is_due)
