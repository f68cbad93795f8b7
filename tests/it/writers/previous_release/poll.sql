WITH head AS MATERIALIZED (
    SELECT
        challenges_catalog.database() AS database,
        challenges_catalog.timeline()::bigint AS timeline,
        (SELECT coalesce(max(seq), 0) FROM challenges_catalog.commit_log) AS head,
        state.floor,
        -- Half a minute before it is forgotten: what it calls fresh until then ends while it is still waited for.
        EXISTS (
            SELECT FROM challenges_catalog.replica
            WHERE replica.id = $3 AND replica.heard_at > clock_timestamp() - interval '30 seconds'
        ) AS registered
    FROM challenges_catalog.state
),
page AS (
    SELECT commit_log.seq, change.tag, change.hard
    FROM challenges_catalog.commit_log
    JOIN challenges_catalog.change ON change.log_id = commit_log.id
    WHERE commit_log.seq > $1
    ORDER BY commit_log.seq
    LIMIT $2
)
SELECT head.database, head.timeline, head.head, head.floor, head.registered, page.seq, page.tag, page.hard
FROM head
LEFT JOIN page ON true
ORDER BY page.seq
