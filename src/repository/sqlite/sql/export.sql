WITH head AS MATERIALIZED (
    SELECT
        (SELECT database_id FROM catalog_state) AS database,
        (SELECT coalesce(max(seq), 0) FROM catalog_change) AS seq
),
page AS (
    SELECT id, difficulty, title, description, points, tips, created_at, updated_at
    FROM approach_challenges
    WHERE id > $1
    ORDER BY id
    LIMIT $2
)
SELECT
    head.database,
    0 AS timeline,
    head.seq,
    false AS has_unnumbered,
    page.id,
    page.difficulty,
    page.title,
    page.description,
    coalesce(page.points, 10) AS points,
    page.tips,
    NULL AS written_tip,
    NULL AS written_for,
    page.created_at,
    page.updated_at
FROM head
LEFT JOIN page ON true
ORDER BY page.id
