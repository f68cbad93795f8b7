SELECT
    a.attname::text AS name,
    format_type(a.atttypid, a.atttypmod) AS kind,
    a.attnotnull AS not_null,
    a.atthasdef OR a.attidentity <> '' AS fills_itself,
    a.attgenerated <> '' OR a.attidentity = 'a' AS is_generated
FROM pg_attribute AS a
JOIN pg_class AS c ON c.oid = a.attrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'public'
    AND c.relname = $1
    AND a.attnum > 0
    AND NOT a.attisdropped
ORDER BY a.attnum
