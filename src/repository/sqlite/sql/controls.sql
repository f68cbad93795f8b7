WITH head AS MATERIALIZED (
    SELECT
        database_id AS database,
        0 AS timeline,
        (SELECT coalesce(max(seq), 0) FROM catalog_change) AS seq
    FROM catalog_state
)
SELECT
    head.database,
    head.timeline,
    head.seq,
    c.kind,
    c.name,
    c.environment,
    c.enabled,
    c.number,
    c.description,
    c.created_at,
    c.updated_at,
    c.created_by,
    c.updated_by,
    c.fingerprint
FROM head
LEFT JOIN catalog_controls AS c ON c.name IN (SELECT value FROM json_each($1))
