WITH head AS MATERIALIZED (
    SELECT
        database_id AS database,
        0 AS timeline,
        (SELECT coalesce(max(seq), 0) FROM catalog_change) AS seq
    FROM catalog_state
),
-- Not by the view catalog_controls, which fails on a BLOB: an adopted table of flags may contain one.
control AS (
    SELECT
        'flag' AS kind, name, environment, enabled, rollout_percentage AS number, description,
        created_at, updated_at, created_by, updated_by,
        CASE
            WHEN 'blob' IN (
                typeof(id), typeof(name), typeof(environment), typeof(enabled), typeof(rollout_percentage), typeof(description),
                typeof(created_at), typeof(updated_at), typeof(created_by), typeof(updated_by)
            ) THEN NULL
            ELSE json_array(
                id, name, environment, enabled, rollout_percentage, description, created_at, updated_at, created_by, updated_by
            )
        END AS fingerprint
    FROM feature_flags
    UNION ALL
    SELECT
        'setting', name, environment, NULL, value, description,
        created_at, updated_at, created_by, updated_by,
        json_array(name, environment, value, description, created_at, updated_at, created_by, updated_by)
    FROM runtime_settings
)
SELECT
    head.database,
    head.timeline,
    head.seq,
    c.kind,
    -- A name or environment of this length matches no known one, so it may be cut.
    CAST(substr(c.name, 1, 1000) AS TEXT) AS name,
    CAST(substr(c.environment, 1, 1000) AS TEXT) AS environment,
    CASE WHEN typeof(c.enabled) = 'integer' THEN c.enabled END AS enabled,
    CASE WHEN typeof(c.number) = 'integer' THEN c.number END AS number,
    CASE WHEN octet_length(c.description) <= 262144 THEN CAST(c.description AS TEXT) END AS description,
    CASE
        WHEN typeof(c.created_at) = 'integer' AND c.created_at BETWEEN -62135596800000000 AND 253402300799999999
        THEN c.created_at
    END AS created_at,
    CASE
        WHEN typeof(c.updated_at) = 'integer' AND c.updated_at BETWEEN -62135596800000000 AND 253402300799999999
        THEN c.updated_at
    END AS updated_at,
    CAST(substr(c.created_by, 1, 1000) AS TEXT) AS created_by,
    CAST(substr(c.updated_by, 1, 1000) AS TEXT) AS updated_by,
    CASE WHEN octet_length(c.fingerprint) <= 262144 THEN c.fingerprint END AS fingerprint
FROM head
LEFT JOIN control AS c ON c.name IN (SELECT value FROM json_each($1))
