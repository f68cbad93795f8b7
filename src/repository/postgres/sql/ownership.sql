-- The objects that do not belong to the owner of public.approach_challenges, by their owner. Left out: what a superuser's event
-- triggers call, and a table of flags if the owner of the challenges is a member of its owner.
SELECT
    pg_get_userbyid(o.owner)::text AS owner,
    pg_get_userbyid(t.relowner)::text AS wanted,
    current_user::text AS role,
    min(o.name) AS example,
    count(*) AS count,
    bool_and(o.is_made AND pg_has_role(o.owner, 'USAGE')) AS may_transfer
FROM pg_class AS t
JOIN pg_namespace AS p ON p.oid = t.relnamespace
CROSS JOIN LATERAL (
    SELECT 'schema challenges_catalog' AS name, n.nspowner AS owner, true AS is_made
    FROM pg_namespace AS n
    WHERE n.nspname = 'challenges_catalog'
    UNION ALL
    SELECT 'challenges_catalog.' || c.relname, c.relowner, true
    FROM pg_class AS c
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = 'challenges_catalog' AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    UNION ALL
    SELECT 'challenges_catalog.' || f.proname || '()', f.proowner, true
    FROM pg_proc AS f
    JOIN pg_namespace AS n ON n.oid = f.pronamespace
    JOIN pg_roles AS r ON r.oid = f.proowner
    WHERE n.nspname = 'challenges_catalog' AND NOT (f.proname = 'watch_table' AND r.rolsuper)
    UNION ALL
    SELECT
        'public.feature_flags',
        made.relowner,
        -- Created by migration 0007, as 0012 records.
        EXISTS (
            SELECT
            FROM pg_namespace AS n
            JOIN pg_class AS earlier ON earlier.relnamespace = n.oid AND earlier.relname = 'shown_tips'
            JOIN pg_class AS later ON later.relnamespace = n.oid AND later.relname = 'runtime_settings'
            JOIN pg_attribute AS a ON a.attrelid = made.oid AND a.attname = 'tableoid'
            JOIN pg_attribute AS b ON b.attrelid = later.oid AND b.attname = 'tableoid'
            WHERE n.nspname = 'challenges_catalog'
                AND made.oid > earlier.oid
                AND made.oid < later.oid
                AND a.xmin = b.xmin
        )
    FROM pg_class AS made
    WHERE made.relnamespace = p.oid
        AND made.relname = 'feature_flags'
        AND NOT pg_has_role(t.relowner, made.relowner, 'USAGE')
) AS o
WHERE p.nspname = 'public' AND t.relname = 'approach_challenges' AND o.owner <> t.relowner
GROUP BY o.owner, t.relowner
ORDER BY 1
