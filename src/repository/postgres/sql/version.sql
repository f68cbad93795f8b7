SELECT
    history AS database,
    timeline::bigint AS timeline,
    CASE
        WHEN $1::bigint IS NULL THEN (SELECT coalesce(max(seq), 0) FROM challenges_catalog.commit_log)
        ELSE (SELECT seq FROM challenges_catalog.edits WHERE log_id = $1)
    END AS seq
FROM challenges_catalog.numbering
