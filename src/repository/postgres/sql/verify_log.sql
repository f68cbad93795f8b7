SELECT 'USAGE on schema challenges_catalog' AS what
FROM pg_namespace AS n
WHERE n.nspname = 'challenges_catalog' AND NOT has_schema_privilege(n.oid, 'USAGE')
UNION ALL
SELECT 'SELECT on challenges_catalog.' || c.relname
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'challenges_catalog'
    AND c.relname IN ('challenge_tips', 'change', 'commit_log', 'replica', 'shown_tips', 'state')
    AND NOT has_table_privilege(c.oid, 'SELECT')
UNION ALL
SELECT 'EXECUTE on challenges_catalog.' || p.proname || '()'
FROM pg_proc AS p
JOIN pg_namespace AS n ON n.oid = p.pronamespace
WHERE n.nspname = 'challenges_catalog'
    AND p.proname IN (
        'acknowledge', 'database', 'drop_task', 'invalidate', 'keep_tip', 'leave', 'note_attempt', 'prune', 'prune_tips',
        'report', 'take_task', 'timeline'
    )
    AND NOT has_function_privilege(p.oid, 'EXECUTE')
ORDER BY 1
