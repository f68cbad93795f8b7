SELECT
    in_recovery,
    database,
    timeline,
    head,
    floor,
    registered,
    is_whole,
    others_write,
    seq,
    tags,
    hard,
    is_awaited
FROM challenges_catalog.poll($1, $2, $3, $4, $5, $6, $7, $8)
