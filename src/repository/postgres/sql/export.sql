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
    left(page.difficulty, 50) AS difficulty,
    CASE WHEN octet_length(page.title) <= 262144 THEN page.title END AS title,
    CASE WHEN octet_length(page.description) <= 262144 THEN page.description END AS description,
    coalesce(page.points, 10)::bigint AS points,
    CASE WHEN octet_length(page.tips) <= 262144 THEN page.tips END AS tips,
    CASE
        WHEN octet_length(page.title) > 262144 THEN 'title'
        WHEN octet_length(page.description) > 262144 THEN 'description'
        WHEN octet_length(page.tips) > 262144 THEN 'tips'
    END AS too_long,
    NULL::text AS written_tip,
    NULL::bytea AS written_for,
    CASE
        WHEN page.created_at BETWEEN '0001-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00'
        THEN (extract(epoch FROM page.created_at) * 1000000)::bigint
    END AS created_at,
    CASE
        WHEN page.updated_at BETWEEN '0001-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00'
        THEN (extract(epoch FROM page.updated_at) * 1000000)::bigint
    END AS updated_at
FROM head
LEFT JOIN page ON true
ORDER BY page.id
