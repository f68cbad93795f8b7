SELECT
    in_recovery,
    database,
    timeline,
    head,
    floor,
    registered,
    is_whole,
    others_write,
    -- Counted only when the replica reports its status, once a second.
    CASE
        WHEN $7::bytea IS NOT NULL THEN (
            SELECT count(*)
            FROM challenges_catalog.registry AS r
            WHERE r.id < $3 AND r.heard_at > clock_timestamp() - interval '3 seconds'
        )
    END AS replicas_before,
    CASE
        WHEN $7::bytea IS NOT NULL THEN (
            SELECT count(*)
            FROM challenges_catalog.registry AS r
            WHERE r.id <> $3 AND r.heard_at > clock_timestamp() - interval '3 seconds'
        )
    END AS other_replicas,
    seq,
    tags,
    hard,
    is_awaited
FROM challenges_catalog.poll($1, $2, $3, $4, $5, $6, $7, $8)
