DELETE FROM challenge_revisions
WHERE id IN (
    SELECT seen.id
    FROM (
        SELECT one.id, one.challenge, one.operation, one.committed_at
        FROM challenge_revisions AS one
        WHERE one.id > $2
        ORDER BY one.id
        LIMIT $3
    ) AS seen
    WHERE seen.committed_at < CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER) - $1
        AND (
            seen.operation = 'deleted'
            OR EXISTS (
                SELECT 1
                FROM challenge_revisions AS newer
                WHERE newer.challenge = seen.challenge AND newer.id > seen.id
            )
        )
)
