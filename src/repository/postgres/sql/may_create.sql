-- What a migration has to create in schema public, and the role that has to and may not.
SELECT
    pg_get_userbyid(acting.role)::text AS role,
    CASE
        WHEN challenges.oid IS NULL THEN 'table approach_challenges'
        WHEN flags.oid IS NULL THEN 'table feature_flags'
        ELSE 'index approach_challenges_catalog_order'
    END AS what
FROM pg_namespace AS n
LEFT JOIN pg_class AS challenges ON challenges.relnamespace = n.oid AND challenges.relname = 'approach_challenges'
LEFT JOIN pg_class AS flags ON flags.relnamespace = n.oid AND flags.relname = 'feature_flags'
LEFT JOIN pg_class AS ordered ON ordered.relnamespace = n.oid AND ordered.relname = 'approach_challenges_catalog_order'
LEFT JOIN pg_index AS i ON i.indexrelid = ordered.oid AND i.indisvalid AND i.indisready
CROSS JOIN LATERAL (
    SELECT coalesce(challenges.relowner, (SELECT r.oid FROM pg_roles AS r WHERE r.rolname = current_user)) AS role
) AS acting
WHERE n.nspname = 'public'
    AND (challenges.oid IS NULL OR flags.oid IS NULL OR i.indexrelid IS NULL)
    AND NOT has_schema_privilege(acting.role, n.oid, 'CREATE')
