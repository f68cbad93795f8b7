WITH head AS MATERIALIZED (
    SELECT
        (SELECT database_id FROM catalog_state) AS database,
        (SELECT coalesce(max(seq), 0) FROM catalog_change) AS seq
),
page AS (
    SELECT id, difficulty, title, description, points, tips, created_at, updated_at
    FROM approach_challenges
    WHERE id > CAST($1 AS TEXT)
    ORDER BY id
    LIMIT $2
)
SELECT
    head.database,
    0 AS timeline,
    head.seq,
    false AS has_unnumbered,
    page.id,
    substr(page.difficulty, 1, 50) AS difficulty,
    CASE WHEN octet_length(page.title) <= 262144 THEN page.title END AS title,
    CASE WHEN octet_length(page.description) <= 262144 THEN page.description END AS description,
    coalesce(page.points, 10) AS points,
    CASE WHEN octet_length(page.tips) <= 262144 THEN page.tips END AS tips,
    CASE
        WHEN octet_length(page.title) > 262144 THEN 'title'
        WHEN octet_length(page.description) > 262144 THEN 'description'
        WHEN octet_length(page.tips) > 262144 THEN 'tips'
    END AS too_long,
    NULL AS written_tip,
    NULL AS written_for,
    CASE WHEN page.created_at BETWEEN -62135596800000000 AND 253402300799999999 THEN page.created_at END AS created_at,
    CASE WHEN page.updated_at BETWEEN -62135596800000000 AND 253402300799999999 THEN page.updated_at END AS updated_at
FROM head
LEFT JOIN page ON true
ORDER BY page.id
