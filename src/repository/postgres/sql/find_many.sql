WITH head AS MATERIALIZED (
    SELECT
        pg_is_in_recovery() AS in_recovery,
        (SELECT history FROM challenges_catalog.numbering) AS database,
        (SELECT timeline::bigint FROM challenges_catalog.numbering) AS timeline,
        (SELECT coalesce(max(seq), 0) FROM challenges_catalog.commit_log) AS seq,
        -- Then this read shows more than its stamp says.
        EXISTS (SELECT FROM challenges_catalog.unnumbered) AS has_unnumbered
)
SELECT
    head.in_recovery,
    head.database,
    head.timeline,
    head.seq,
    head.has_unnumbered,
    found.id::text AS id,
    left(found.difficulty, 50) AS difficulty,
    CASE WHEN octet_length(found.title) <= 262144 THEN found.title END AS title,
    CASE WHEN octet_length(found.description) <= 262144 THEN found.description END AS description,
    coalesce(found.points, 10)::bigint AS points,
    CASE WHEN octet_length(found.tips) <= 262144 THEN found.tips END AS tips,
    CASE
        WHEN octet_length(found.title) > 262144 THEN 'title'
        WHEN octet_length(found.description) > 262144 THEN 'description'
        WHEN octet_length(found.tips) > 262144 THEN 'tips'
    END AS too_long,
    shown.text AS written_tip,
    shown.content AS written_for,
    CASE
        WHEN found.created_at BETWEEN '0001-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00'
        THEN (extract(epoch FROM found.created_at) * 1000000)::bigint
    END AS created_at,
    CASE
        WHEN found.updated_at BETWEEN '0001-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00'
        THEN (extract(epoch FROM found.updated_at) * 1000000)::bigint
    END AS updated_at
FROM head
LEFT JOIN public.approach_challenges AS found ON found.id = ANY ($1)
LEFT JOIN challenges_catalog.shown_tips AS shown ON shown.challenge = found.id
