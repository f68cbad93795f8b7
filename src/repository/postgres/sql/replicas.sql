SELECT
    id::text AS id,
    name,
    coalesce(history, '') AS database,
    timeline,
    seq,
    status,
    (extract(epoch FROM clock_timestamp() - heard_at) * 1000000)::bigint AS heard_ago_us
FROM challenges_catalog.registry
ORDER BY name
