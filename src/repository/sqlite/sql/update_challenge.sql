UPDATE approach_challenges
SET difficulty = coalesce($2, difficulty), title = coalesce($3, title), description = coalesce($4, description),
    points = coalesce($5, points), tips = CASE WHEN $6 IS NULL THEN tips ELSE nullif($6, '') END
WHERE id = $1
