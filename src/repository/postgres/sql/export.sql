WITH head AS MATERIALIZED (
    SELECT
        (SELECT history FROM challenges_catalog.numbering) AS database,
        (SELECT timeline::bigint FROM challenges_catalog.numbering) AS timeline,
        (SELECT coalesce(max(seq), 0) FROM challenges_catalog.commit_log) AS seq
),
page AS (
    SELECT id, difficulty, title, description, points, tips, created_at, updated_at
    FROM public.approach_challenges
    WHERE $1::uuid IS NULL OR id > $1
    ORDER BY id
    LIMIT $2
)
SELECT
    head.database,
    head.timeline,
    head.seq,
    false AS has_unnumbered,
    page.id::text AS id,
    page.difficulty,
    page.title,
    page.description,
    coalesce(page.points, 10)::bigint AS points,
    page.tips,
    NULL::text AS written_tip,
    NULL::bytea AS written_for,
    CASE WHEN isfinite(page.created_at) THEN (extract(epoch FROM page.created_at) * 1000000)::bigint END AS created_at,
    CASE WHEN isfinite(page.updated_at) THEN (extract(epoch FROM page.updated_at) * 1000000)::bigint END AS updated_at
FROM head
LEFT JOIN page ON true
ORDER BY page.id
