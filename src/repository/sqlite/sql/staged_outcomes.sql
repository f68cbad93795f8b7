SELECT coalesce(group_concat(outcome, ''), '')
FROM (
    SELECT
        CASE
            WHEN found.id IS NULL THEN 'c'
            WHEN (found.difficulty, found.title, coalesce(found.description, ''), coalesce(found.points, 10), found.tips)
                IS NOT (staged.difficulty, staged.title, staged.description, staged.points, staged.tips) THEN 'u'
            ELSE 'n'
        END AS outcome
    FROM temp.staged_challenges AS staged
    LEFT JOIN approach_challenges AS found ON found.id = staged.id
    ORDER BY staged.place
)
