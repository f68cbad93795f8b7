SELECT staged.line, first.line AS first_line
FROM temp.staged_challenges AS staged
LEFT JOIN temp.staged_challenges AS first
    ON first.place = (SELECT min(earlier.place) FROM temp.staged_challenges AS earlier WHERE earlier.id = staged.id)
    AND first.place < staged.place
WHERE first.place IS NOT NULL
    OR ($1 AND EXISTS (SELECT 1 FROM approach_challenges WHERE approach_challenges.id = staged.id))
ORDER BY staged.place
LIMIT $2
