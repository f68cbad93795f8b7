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
    -- A name or environment of this length matches no known one, so it may be cut.
    left(c.name, 1000) AS name,
    left(c.environment, 1000) AS environment,
    c.enabled,
    c.number,
    CASE WHEN octet_length(c.description) <= 262144 THEN c.description END AS description,
    CASE
        WHEN c.created_at BETWEEN '0001-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00'
        THEN (extract(epoch FROM c.created_at) * 1000000)::bigint
    END AS created_at,
    CASE
        WHEN c.updated_at BETWEEN '0001-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00'
        THEN (extract(epoch FROM c.updated_at) * 1000000)::bigint
    END AS updated_at,
    left(c.created_by, 1000) AS created_by,
    left(c.updated_by, 1000) AS updated_by,
    CASE WHEN octet_length(c.fingerprint) <= 262144 THEN c.fingerprint END AS fingerprint
FROM head
LEFT JOIN challenges_catalog.controls($1) AS c ON true
