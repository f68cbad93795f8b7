WITH head AS MATERIALIZED (
    SELECT
        pg_is_in_recovery() AS in_recovery,
        (SELECT history FROM challenges_catalog.numbering) AS database,
        (SELECT timeline::bigint FROM challenges_catalog.numbering) AS timeline,
        (SELECT coalesce(max(seq), 0) FROM challenges_catalog.commit_log) AS seq
)
SELECT
    head.in_recovery,
    head.database,
    head.timeline,
    head.seq,
    c.kind,
    c.name,
    c.environment,
    c.enabled,
    c.number,
    c.description,
    CASE WHEN isfinite(c.created_at) THEN (extract(epoch FROM c.created_at) * 1000000)::bigint END AS created_at,
    CASE WHEN isfinite(c.updated_at) THEN (extract(epoch FROM c.updated_at) * 1000000)::bigint END AS updated_at,
    c.created_by,
    c.updated_by,
    c.fingerprint
FROM head
LEFT JOIN challenges_catalog.controls($1) AS c ON true
