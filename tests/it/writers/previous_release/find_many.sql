WITH head AS MATERIALIZED (
    SELECT
        challenges_catalog.timeline()::bigint AS timeline,
        (SELECT coalesce(max(seq), 0) FROM challenges_catalog.commit_log) AS seq
)
SELECT
    head.timeline,
    head.seq,
    found.id::text AS id,
    found.difficulty,
    found.title,
    found.description,
    coalesce(found.points, 10)::bigint AS points,
    found.tips,
    shown.text AS written_tip,
    shown.content AS written_for,
    CASE WHEN isfinite(found.created_at) THEN (extract(epoch FROM found.created_at) * 1000000)::bigint END AS created_at,
    CASE WHEN isfinite(found.updated_at) THEN (extract(epoch FROM found.updated_at) * 1000000)::bigint END AS updated_at
FROM head
LEFT JOIN public.approach_challenges AS found ON found.id = ANY ($1)
LEFT JOIN challenges_catalog.shown_tips AS shown ON shown.challenge = found.id
