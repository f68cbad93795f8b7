SELECT
    revision.id AS number,
    revision.challenge,
    revision.operation,
    revision.editor,
    '' AS role,
    revision.committed_at AS at,
    state.database_id AS database,
    0 AS timeline,
    revision.seq,
    json_extract(revision.row, '$.difficulty') AS difficulty,
    json_extract(revision.row, '$.title') AS title,
    json_extract(revision.row, '$.description') AS description,
    json_extract(revision.row, '$.points') AS points,
    json_extract(revision.row, '$.tips') AS tips,
    json_extract(revision.row, '$.created_at') AS created_at
FROM challenge_revisions AS revision
CROSS JOIN catalog_state AS state
WHERE ($1 IS NULL OR revision.challenge = $1) AND revision.id < $2
ORDER BY revision.id DESC
LIMIT $3
