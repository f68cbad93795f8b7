SELECT
    has_table_privilege(t.oid, 'SELECT') AS may_select,
    CASE
        WHEN NOT row_security_active(t.oid) THEN 'not applied'
        WHEN bool_or(p.polpermissive) IS NOT TRUE THEN 'none'
        WHEN bool_and(p.polpermissive) AND bool_or(pg_get_expr(p.polqual, t.oid) = 'true') THEN 'all rows'
        ELSE 'some rows'
    END AS policies
FROM pg_class AS t
JOIN pg_namespace AS n ON n.oid = t.relnamespace
LEFT JOIN pg_policy AS p
    ON p.polrelid = t.oid
    AND p.polcmd IN ('r', '*')
    AND (p.polroles = '{0}' OR EXISTS (SELECT FROM unnest(p.polroles) AS r (role) WHERE pg_has_role(r.role, 'USAGE')))
WHERE n.nspname = 'public' AND t.relname = 'approach_challenges'
GROUP BY t.oid
