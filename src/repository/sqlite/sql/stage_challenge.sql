INSERT INTO temp.staged_challenges (line, id, difficulty, title, description, points, tips)
VALUES ($1, $2, $3, $4, $5, $6, $7)
