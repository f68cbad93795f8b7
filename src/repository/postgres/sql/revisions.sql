SELECT
    revision.id AS number,
    revision.challenge::text AS challenge,
    revision.operation,
    edit.editor,
    edit.role,
    (extract(epoch FROM edit.committed_at) * 1000000)::bigint AS at,
    challenges_catalog.database() AS database,
    challenges_catalog.timeline()::bigint AS timeline,
    edit.seq,
    revision.row ->> 'difficulty' AS difficulty,
    revision.row ->> 'title' AS title,
    revision.row ->> 'description' AS description,
    (revision.row ->> 'points')::bigint AS points,
    revision.row ->> 'tips' AS tips,
    CASE
        WHEN isfinite((revision.row ->> 'created_at')::timestamptz)
        THEN (extract(epoch FROM (revision.row ->> 'created_at')::timestamptz) * 1000000)::bigint
    END AS created_at
FROM (
    (
        SELECT one.id, one.challenge, one.log_id, one.operation, one.row
        FROM challenges_catalog.challenge_revisions AS one
        WHERE one.challenge = $1 AND one.id < $2
        ORDER BY one.id DESC
        LIMIT $3
    )
    UNION ALL
    (
        SELECT every.id, every.challenge, every.log_id, every.operation, every.row
        FROM challenges_catalog.challenge_revisions AS every
        WHERE $1 IS NULL AND every.id < $2
        ORDER BY every.id DESC
        LIMIT $3
    )
) AS revision
JOIN challenges_catalog.edits AS edit ON edit.log_id = revision.log_id
ORDER BY revision.id DESC
