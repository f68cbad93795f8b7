SELECT
    c.relname::text AS relation,
    t.tgname::text AS name,
    t.tgenabled::text AS enabled,
    p.proname = 'touch' AS needs_no_rights,
    p.prosecdef AS is_definer,
    -- note_change() needs no search_path, because it names every schema; setting one would slow it down.
    p.proname = 'note_change' OR coalesce(array_to_string(p.proconfig, ' ') LIKE '%search_path=pg_catalog,%', false) AS is_pinned,
    coalesce(has_table_privilege(p.proowner, l.oid, 'INSERT'), false) AS can_log
FROM pg_trigger AS t
JOIN pg_class AS c ON c.oid = t.tgrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_proc AS p ON p.oid = t.tgfoid
LEFT JOIN pg_namespace AS ours ON ours.nspname = 'challenges_catalog'
LEFT JOIN pg_class AS l
    ON l.relnamespace = ours.oid
    AND l.relname = CASE
        WHEN p.proname IN ('note_change', 'note_replicated') THEN 'changed_challenges'
        ELSE 'outbox'
    END
WHERE NOT t.tgisinternal
    AND (n.nspname, c.relname) IN (
        ('public', 'approach_challenges'),
        ('public', 'feature_flags'),
        ('challenges_catalog', 'challenge_revisions'),
        ('challenges_catalog', 'runtime_settings'),
        ('challenges_catalog', 'shown_tips')
    )
