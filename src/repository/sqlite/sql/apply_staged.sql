INSERT INTO approach_challenges (id, difficulty, title, description, points, tips)
SELECT staged.id, staged.difficulty, staged.title, staged.description, staged.points, staged.tips
FROM temp.staged_challenges AS staged
LEFT JOIN approach_challenges AS found ON found.id = staged.id
-- Without unchanged rows, which the trigger before an insert would note as changed.
WHERE found.id IS NULL
    OR (found.difficulty, found.title, coalesce(found.description, ''), coalesce(found.points, 10), found.tips)
        IS NOT (staged.difficulty, staged.title, staged.description, staged.points, staged.tips)
ORDER BY staged.id
ON CONFLICT (id) DO UPDATE
SET difficulty = excluded.difficulty, title = excluded.title, description = excluded.description,
    points = excluded.points, tips = excluded.tips
