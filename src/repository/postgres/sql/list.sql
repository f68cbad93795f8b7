WITH head AS MATERIALIZED (
    SELECT
        pg_is_in_recovery() AS in_recovery,
        (SELECT history FROM challenges_catalog.numbering) AS database,
        (SELECT timeline::bigint FROM challenges_catalog.numbering) AS timeline,
        (SELECT coalesce(max(seq), 0) FROM challenges_catalog.commit_log) AS seq,
        -- Then this read shows more than its stamp says.
        EXISTS (SELECT FROM challenges_catalog.unnumbered) AS has_unnumbered,
        coalesce($9::bigint, (
            -- The difficulties that can be served.
            SELECT count(*)
            FROM public.approach_challenges
            WHERE difficulty = ANY ($1)
                AND octet_length(title) <= 262144
                AND coalesce(octet_length(description), 0) <= 262144
                AND coalesce(octet_length(tips), 0) <= 262144
        )) AS total_count
),
page AS (
    SELECT
        CASE difficulty WHEN 'beginner' THEN 1 WHEN 'intermediate' THEN 2 WHEN 'advanced' THEN 3 END AS rank,
        coalesce(points, 10) AS points,
        title COLLATE "C" AS title,
        id,
        difficulty,
        description,
        tips,
        created_at,
        updated_at
    FROM public.approach_challenges
    WHERE CASE difficulty WHEN 'beginner' THEN 1 WHEN 'intermediate' THEN 2 WHEN 'advanced' THEN 3 END
            BETWEEN $2 AND $3
        AND (
            CASE difficulty WHEN 'beginner' THEN 1 WHEN 'intermediate' THEN 2 WHEN 'advanced' THEN 3 END,
            coalesce(points, 10),
            title COLLATE "C",
            id
        ) > ($4, $5, $6, $7)
    ORDER BY
        CASE difficulty WHEN 'beginner' THEN 1 WHEN 'intermediate' THEN 2 WHEN 'advanced' THEN 3 END,
        coalesce(points, 10),
        title COLLATE "C",
        id
    LIMIT $8
)
SELECT
    head.in_recovery,
    head.database,
    head.timeline,
    head.seq,
    head.has_unnumbered,
    head.total_count,
    page.id::text AS id,
    left(page.difficulty, 50) AS difficulty,
    CASE WHEN octet_length(page.title) <= 262144 THEN page.title END AS title,
    CASE WHEN octet_length(page.description) <= 262144 THEN page.description END AS description,
    page.points::bigint AS points,
    CASE WHEN octet_length(page.tips) <= 262144 THEN page.tips END AS tips,
    CASE
        WHEN octet_length(page.title) > 262144 THEN 'title'
        WHEN octet_length(page.description) > 262144 THEN 'description'
        WHEN octet_length(page.tips) > 262144 THEN 'tips'
    END AS too_long,
    shown.text AS written_tip,
    shown.content AS written_for,
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
-- A key never has more rows than this limit; it keeps the planner from reading all tips for the few on the page.
LEFT JOIN LATERAL (
    SELECT tip.text, tip.content
    FROM challenges_catalog.shown_tips AS tip
    WHERE tip.challenge = page.id
    LIMIT 1
) AS shown ON true
ORDER BY page.rank, page.points, page.title COLLATE "C", page.id
