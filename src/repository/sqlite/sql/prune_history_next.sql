SELECT CASE
    WHEN count(*) = $3
        AND min(seen.committed_at) < CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER) - $1
    THEN max(seen.id)
END
FROM (
    SELECT one.id, one.committed_at
    FROM challenge_revisions AS one
    WHERE one.id > $2
    ORDER BY one.id
    LIMIT $3
) AS seen
