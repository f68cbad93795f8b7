SELECT
    numbering.history AS database,
    numbering.timeline::bigint AS timeline,
    commit_log.seq
FROM challenges_catalog.numbering
JOIN challenges_catalog.commit_log ON commit_log.id = $1
