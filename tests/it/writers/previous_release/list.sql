WITH head AS MATERIALIZED (
    SELECT
        challenges_catalog.timeline()::bigint AS timeline,
        (SELECT coalesce(max(seq), 0) FROM challenges_catalog.commit_log) AS seq,
        (SELECT count(*) FROM public.approach_challenges WHERE difficulty = ANY ($1)) AS total_count
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
    head.timeline,
    head.seq,
    head.total_count,
    page.id::text AS id,
    page.difficulty,
    page.title,
    page.description,
    page.points::bigint AS points,
    page.tips,
    shown.text AS written_tip,
    shown.content AS written_for,
    CASE WHEN isfinite(page.created_at) THEN (extract(epoch FROM page.created_at) * 1000000)::bigint END AS created_at,
    CASE WHEN isfinite(page.updated_at) THEN (extract(epoch FROM page.updated_at) * 1000000)::bigint END AS updated_at
FROM head
LEFT JOIN page ON true
-- The limit, beyond which a key has no rows, keeps the planner from reading all tips for the few on the page.
LEFT JOIN LATERAL (
    SELECT tip.text, tip.content
    FROM challenges_catalog.shown_tips AS tip
    WHERE tip.challenge = page.id
    LIMIT 1
) AS shown ON true
ORDER BY page.rank, page.points, page.title COLLATE "C", page.id
