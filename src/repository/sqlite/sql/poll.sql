WITH head AS MATERIALIZED (
    SELECT
        database_id AS database,
        (SELECT coalesce(max(seq), 0) FROM catalog_change) AS head,
        floor,
        -- Half a minute before the replica is removed: what it calls fresh until then expires while invalidations still wait for it.
        EXISTS (
            SELECT 1
            FROM catalog_replica
            WHERE catalog_replica.id = $3
                AND catalog_replica.heard_at
                    > CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER) - 30000000
        ) AS registered
    FROM catalog_state
),
page AS (
    SELECT seq, tag, hard, is_awaited
    FROM catalog_change
    WHERE seq > $1
    ORDER BY seq
    LIMIT $2
)
SELECT
    head.database,
    0 AS timeline,
    head.head,
    head.floor,
    head.registered,
    true AS is_whole,
    false AS others_write,
    NULL AS replicas_before,
    NULL AS other_replicas,
    page.seq,
    page.tag AS tags,
    page.hard,
    page.is_awaited
FROM head
LEFT JOIN page ON true
ORDER BY page.seq
