SELECT 'USAGE on schema challenges_catalog' AS what
FROM pg_namespace AS n
WHERE n.nspname = 'challenges_catalog' AND NOT has_schema_privilege(n.oid, 'USAGE')
UNION ALL
SELECT 'SELECT on challenges_catalog.' || c.relname
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'challenges_catalog'
    AND c.relname IN (
        'challenge_revisions', 'challenge_tips', 'changed_challenges', 'commit_log', 'edits', 'numbering', 'registry',
        'shown_tips', 'state', 'unnumbered'
    )
    AND NOT has_table_privilege(c.oid, 'SELECT')
UNION ALL
SELECT 'EXECUTE on challenges_catalog.' || p.proname || '()'
FROM pg_proc AS p
JOIN pg_namespace AS n ON n.oid = p.pronamespace
WHERE n.nspname = 'challenges_catalog'
    AND p.proname IN (
        'apply_staged', 'begin_edit', 'check_staged', 'controls', 'database', 'delete_challenge', 'drop_flag',
        'drop_setting', 'drop_task', 'finish_edit', 'insert_challenge', 'invalidate', 'keep_tip', 'leave',
        'lock_challenge', 'lock_staged', 'note_attempt', 'number', 'poll', 'prune', 'prune_edit_requests',
        'prune_revisions', 'prune_tips', 'put_flag', 'put_setting', 'sees_all_rows', 'show_tips', 'stage_challenges',
        'take_task', 'update_challenge', 'write_staged'
    )
    -- The one without arguments is for the previous release.
    AND (p.proname <> 'controls' OR p.pronargs = 1)
GROUP BY p.proname
-- A function of an earlier release may exist beside the one of the same name that this release calls.
HAVING NOT bool_or(has_function_privilege(p.oid, 'EXECUTE'))
ORDER BY 1
