SELECT
    CASE c.relkind
        WHEN 'r' THEN 'ordinary table'
        WHEN 'p' THEN 'partitioned table'
        WHEN 'v' THEN 'view'
        WHEN 'm' THEN 'materialized view'
        WHEN 'f' THEN 'foreign table'
        ELSE 'something else'
    END AS kind,
    pg_get_userbyid(c.relowner)::text AS owner,
    current_user::text AS role,
    pg_has_role(c.relowner, 'USAGE') AS is_owner,
    (
        SELECT string_agg(a.attname, ', ' ORDER BY k.place)
        FROM pg_constraint AS pk
        CROSS JOIN LATERAL unnest(pk.conkey) WITH ORDINALITY AS k (number, place)
        JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = k.number
        WHERE pk.conrelid = c.oid AND pk.contype = 'p'
    ) AS key
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relname = $1
