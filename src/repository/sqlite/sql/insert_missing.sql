INSERT INTO approach_challenges (id, difficulty, title, description, points, tips)
SELECT $1, $2, $3, $4, $5, $6
WHERE NOT EXISTS (SELECT 1 FROM approach_challenges WHERE id = $1)
