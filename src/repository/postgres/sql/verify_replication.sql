-- The subscriptions and publications that include tables of the catalog. `is_bookkeeping`: tables of schema challenges_catalog.
SELECT
    'subscription' AS kind,
    s.subname::text AS name,
    n.nspname = 'challenges_catalog' AS is_bookkeeping,
    string_agg(c.relname::text, ', ' ORDER BY c.relname) AS tables
FROM pg_subscription_rel AS r
JOIN pg_subscription AS s ON s.oid = r.srsubid
JOIN pg_class AS c ON c.oid = r.srrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'challenges_catalog' OR (n.nspname = 'public' AND c.relname = 'approach_challenges')
GROUP BY 2, 3
UNION ALL
SELECT 'publication', p.pubname::text, true, string_agg(p.tablename::text, ', ' ORDER BY p.tablename)
FROM pg_publication_tables AS p
WHERE p.schemaname = 'challenges_catalog'
GROUP BY 2
ORDER BY 1, 2, 3
