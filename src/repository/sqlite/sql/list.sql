WITH head AS MATERIALIZED (
    SELECT
        (SELECT database_id FROM catalog_state) AS database,
        (SELECT coalesce(max(seq), 0) FROM catalog_change) AS seq,
        (
            SELECT count(*)
            FROM approach_challenges
            WHERE CASE difficulty WHEN 'beginner' THEN 1 WHEN 'intermediate' THEN 2 WHEN 'advanced' THEN 3 END
                BETWEEN $1 AND $2
        ) AS total_count
),
page AS (
    SELECT
        CASE difficulty WHEN 'beginner' THEN 1 WHEN 'intermediate' THEN 2 WHEN 'advanced' THEN 3 END AS rank,
        coalesce(points, 10) AS points,
        title,
        id,
        difficulty,
        description,
        tips,
        created_at,
        updated_at
    FROM approach_challenges
    WHERE CASE difficulty WHEN 'beginner' THEN 1 WHEN 'intermediate' THEN 2 WHEN 'advanced' THEN 3 END
            BETWEEN $1 AND $2
        AND (
            CASE difficulty WHEN 'beginner' THEN 1 WHEN 'intermediate' THEN 2 WHEN 'advanced' THEN 3 END,
            coalesce(points, 10),
            title,
            id
        ) > ($3, $4, $5, $6)
    ORDER BY
        CASE difficulty WHEN 'beginner' THEN 1 WHEN 'intermediate' THEN 2 WHEN 'advanced' THEN 3 END,
        coalesce(points, 10),
        title,
        id
    LIMIT $7
)
SELECT
    head.database,
    0 AS timeline,
    head.seq,
    false AS has_unnumbered,
    head.total_count,
    page.id,
    page.difficulty,
    page.title,
    page.description,
    page.points,
    page.tips,
    shown.text AS written_tip,
    shown.content AS written_for,
    page.created_at,
    page.updated_at
FROM head
LEFT JOIN page ON true
LEFT JOIN shown_tips AS shown ON shown.challenge = page.id
ORDER BY page.rank, page.points, page.title, page.id
