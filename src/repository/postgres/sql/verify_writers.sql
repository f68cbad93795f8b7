SELECT
    CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(a.grantee) END::text AS role,
    string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type) AS rights
FROM pg_class AS t
JOIN pg_namespace AS n ON n.oid = t.relnamespace
CROSS JOIN LATERAL aclexplode(t.relacl) AS a
WHERE n.nspname = 'public'
    AND t.relname = 'approach_challenges'
    AND a.grantee <> t.relowner
    AND a.privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE')
GROUP BY a.grantee
ORDER BY 1
