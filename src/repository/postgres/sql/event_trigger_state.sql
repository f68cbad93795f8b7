SELECT
    wanted.name,
    CASE
        WHEN e.oid IS NULL THEN 'missing'
        WHEN p.proowner <> e.evtowner THEN 'of another owner'
        WHEN e.evtevent <> wanted.event
            OR ARRAY(SELECT t.tag FROM unnest(e.evttags) AS t (tag) ORDER BY t.tag) <> wanted.tags
            OR n.nspname <> 'challenges_catalog'
            OR p.proname <> 'watch_table'
            OR NOT p.prosecdef
            OR array_to_string(p.proconfig, ' ') IS DISTINCT FROM 'search_path=pg_catalog, pg_temp' THEN 'another'
        WHEN e.evtenabled <> 'A' THEN 'not always'
        ELSE 'right'
    END AS state
FROM (VALUES
    ('challenges_catalog_ddl', 'ddl_command_end', ARRAY['ALTER POLICY', 'ALTER TABLE', 'CREATE POLICY', 'CREATE TABLE']),
    ('challenges_catalog_drop', 'sql_drop', ARRAY['DROP POLICY'])
) AS wanted (name, event, tags)
LEFT JOIN pg_event_trigger AS e ON e.evtname = wanted.name
LEFT JOIN pg_proc AS p ON p.oid = e.evtfoid
LEFT JOIN pg_namespace AS n ON n.oid = p.pronamespace
ORDER BY wanted.name
