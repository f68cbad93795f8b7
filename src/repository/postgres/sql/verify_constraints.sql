SELECT
    EXISTS (
        SELECT
        FROM pg_constraint AS c
        WHERE c.conrelid = t.oid
            AND c.contype = 'c'
            AND c.convalidated
            AND pg_get_constraintdef(c.oid) LIKE '%difficulty%'
            AND pg_get_constraintdef(c.oid) LIKE '%beginner%'
            AND pg_get_constraintdef(c.oid) LIKE '%intermediate%'
            AND pg_get_constraintdef(c.oid) LIKE '%advanced%'
    ) AS is_checked,
    EXISTS (SELECT FROM pg_inherits AS i WHERE i.inhparent = t.oid) AS has_children,
    t.relispartition AS is_partition
FROM pg_class AS t
JOIN pg_namespace AS n ON n.oid = t.relnamespace
WHERE n.nspname = 'public' AND t.relname = 'approach_challenges'
