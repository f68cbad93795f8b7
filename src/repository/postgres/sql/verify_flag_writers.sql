-- The other roles that may write the table of flags despite row level security. It never stops TRUNCATE, and no role that bypasses
-- it; such a role was given that right on purpose, so it is `is_trusted`. A policy that is literally false lets no role write.
SELECT
    CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(g.grantee) END::text AS role,
    string_agg(DISTINCT g.privilege_type, ', ' ORDER BY g.privilege_type) AS rights,
    t.relrowsecurity AND coalesce(r.rolbypassrls, false) AS is_trusted
FROM pg_class AS t
JOIN pg_namespace AS n ON n.oid = t.relnamespace
CROSS JOIN LATERAL (
    SELECT a.grantee, a.privilege_type
    FROM aclexplode(t.relacl) AS a
    UNION ALL
    SELECT a.grantee, a.privilege_type
    FROM pg_attribute AS c
    CROSS JOIN LATERAL aclexplode(c.attacl) AS a
    WHERE c.attrelid = t.oid AND NOT c.attisdropped
) AS g
LEFT JOIN pg_roles AS r ON r.oid = g.grantee
WHERE n.nspname = 'public'
    AND t.relname = 'feature_flags'
    AND g.grantee <> t.relowner
    AND g.privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE')
    AND r.rolsuper IS NOT TRUE
    AND (
        g.privilege_type = 'TRUNCATE'
        OR NOT t.relrowsecurity
        OR r.rolbypassrls
        OR EXISTS (
            SELECT
            FROM pg_policy AS p
            WHERE p.polrelid = t.oid
                AND p.polpermissive
                AND p.polcmd IN ('*', CASE g.privilege_type WHEN 'INSERT' THEN 'a' WHEN 'UPDATE' THEN 'w' ELSE 'd' END::"char")
                AND coalesce(pg_get_expr(p.polwithcheck, t.oid), pg_get_expr(p.polqual, t.oid)) IS DISTINCT FROM 'false'
                AND CASE
                    WHEN g.grantee = 0 OR p.polroles = '{0}' THEN true
                    ELSE EXISTS (SELECT FROM unnest(p.polroles) AS o (role) WHERE pg_has_role(g.grantee, o.role, 'USAGE'))
                END
        )
    )
GROUP BY g.grantee, t.relrowsecurity, r.rolbypassrls
ORDER BY 1
