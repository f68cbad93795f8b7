SELECT
    database_id AS database,
    0 AS timeline,
    coalesce($1, (SELECT max(seq) FROM catalog_change), 0) AS seq
FROM catalog_state
