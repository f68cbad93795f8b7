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
    found.difficulty,
    found.title,
    found.description,
    coalesce(found.points, 10) AS points,
    found.tips,
    shown.text AS written_tip,
    shown.content AS written_for,
    found.created_at,
    found.updated_at
FROM head
LEFT JOIN approach_challenges AS found ON found.id IN (SELECT value FROM json_each($1))
LEFT JOIN shown_tips AS shown ON shown.challenge = found.id
