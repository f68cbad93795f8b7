-- Rights on the table and on single columns. By TRIGGER and REFERENCES a role can make other writers run its code.
SELECT
    CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(g.grantee) END::text AS role,
    string_agg(DISTINCT g.privilege_type, ', ' ORDER BY g.privilege_type) AS rights
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
WHERE n.nspname = 'public'
    AND t.relname = 'approach_challenges'
    AND g.grantee <> t.relowner
    AND g.privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER', 'REFERENCES')
GROUP BY g.grantee
ORDER BY 1
