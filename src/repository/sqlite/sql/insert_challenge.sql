INSERT INTO approach_challenges (id, difficulty, title, description, points, tips, created_at)
VALUES (
    $1, $2, $3, $4, $5, $6, coalesce($7, CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER))
)
