WITH head AS MATERIALIZED (
    SELECT
        (SELECT database_id FROM catalog_state) AS database,
        (SELECT coalesce(max(seq), 0) FROM catalog_change) AS seq
)
SELECT
    head.database,
    0 AS timeline,
    head.seq,
    false AS has_unnumbered,
    found.id,
    substr(found.difficulty, 1, 50) AS difficulty,
    CASE WHEN octet_length(found.title) <= 262144 THEN found.title END AS title,
    CASE WHEN octet_length(found.description) <= 262144 THEN found.description END AS description,
    coalesce(found.points, 10) AS points,
    CASE WHEN octet_length(found.tips) <= 262144 THEN found.tips END AS tips,
    CASE
        WHEN octet_length(found.title) > 262144 THEN 'title'
        WHEN octet_length(found.description) > 262144 THEN 'description'
        WHEN octet_length(found.tips) > 262144 THEN 'tips'
    END AS too_long,
    shown.text AS written_tip,
    shown.content AS written_for,
    CASE WHEN found.created_at BETWEEN -62135596800000000 AND 253402300799999999 THEN found.created_at END AS created_at,
    CASE WHEN found.updated_at BETWEEN -62135596800000000 AND 253402300799999999 THEN found.updated_at END AS updated_at
FROM head
LEFT JOIN approach_challenges AS found ON found.id IN (SELECT value FROM json_each($1))
LEFT JOIN shown_tips AS shown ON shown.challenge = found.id
