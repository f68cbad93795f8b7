SELECT 'USAGE on schema challenges_catalog' AS what
FROM pg_namespace AS n
WHERE n.nspname = 'challenges_catalog' AND NOT has_schema_privilege(n.oid, 'USAGE')
UNION ALL
SELECT 'SELECT on challenges_catalog.' || c.relname
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'challenges_catalog'
    AND c.relname IN (
        'challenge_tips', 'change', 'commit_log', 'replica', 'shown_tips', 'state', 'tip_batch_orders', 'tip_batches'
    )
    AND NOT has_table_privilege(c.oid, 'SELECT')
UNION ALL
SELECT 'EXECUTE on challenges_catalog.' || p.proname || '()'
FROM pg_proc AS p
JOIN pg_namespace AS n ON n.oid = p.pronamespace
WHERE n.nspname = 'challenges_catalog'
    AND p.proname IN (
        'acknowledge', 'close_tip_batch', 'database', 'drop_task', 'end_tip_batch', 'hand_in_tip_batch', 'invalidate',
        'keep_tip', 'leave', 'name_tip_batch', 'note_attempt', 'note_tip_batch', 'prune', 'prune_tips', 'report',
        'settle_tip_batch', 'take_task', 'timeline'
    )
    AND NOT has_function_privilege(p.oid, 'EXECUTE')
ORDER BY 1
