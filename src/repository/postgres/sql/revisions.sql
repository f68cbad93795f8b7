SELECT
    pg_is_in_recovery() AS in_recovery,
    revision.id AS number,
    revision.challenge::text AS challenge,
    revision.operation,
    edit.editor,
    edit.role,
    (extract(epoch FROM edit.committed_at) * 1000000)::bigint AS at,
    (SELECT history FROM challenges_catalog.numbering) AS database,
    (SELECT timeline::bigint FROM challenges_catalog.numbering) AS timeline,
    edit.seq,
    coalesce(revision.difficulty, revision.row ->> 'difficulty') AS difficulty,
    coalesce(revision.title, revision.row ->> 'title') AS title,
    coalesce(revision.description, revision.row ->> 'description') AS description,
    coalesce(revision.points, (revision.row ->> 'points')::integer)::bigint AS points,
    coalesce(revision.tips, revision.row ->> 'tips') AS tips,
    -- NULL for a time outside of the years 1 to 9999, which no answer can have.
    CASE
        WHEN coalesce(revision.created_at, (revision.row ->> 'created_at')::timestamptz)
            BETWEEN '0001-01-01 00:00:00Z' AND '9999-12-31 23:59:59.999999Z'
        THEN (
            extract(epoch FROM coalesce(revision.created_at, (revision.row ->> 'created_at')::timestamptz)) * 1000000
        )::bigint
    END AS created_at
FROM (
    (
        SELECT
            one.id, one.challenge, one.log_id, one.xid, one.operation, one.row, one.difficulty, one.title, one.description,
            one.points, one.tips, one.created_at
        FROM challenges_catalog.challenge_revisions AS one
        WHERE one.challenge = $1
            AND one.id < $2
            AND (
                (SELECT challenges_catalog.sees_all_rows())
                OR EXISTS (SELECT FROM public.approach_challenges AS seen WHERE seen.id = one.challenge)
            )
        ORDER BY one.id DESC
        LIMIT $3
    )
    UNION ALL
    (
        SELECT
            every.id, every.challenge, every.log_id, every.xid, every.operation, every.row, every.difficulty, every.title,
            every.description, every.points, every.tips, every.created_at
        FROM challenges_catalog.challenge_revisions AS every
        WHERE $1 IS NULL
            AND every.id < $2
            AND (
                (SELECT challenges_catalog.sees_all_rows())
                OR EXISTS (SELECT FROM public.approach_challenges AS seen WHERE seen.id = every.challenge)
            )
        ORDER BY every.id DESC
        LIMIT $3
    )
    UNION ALL
    -- Revisions that are still in the queue.
    (
        SELECT
            queued.id, queued.challenge, queued.id AS log_id, queued.xid, queued.operation, NULL, queued.difficulty, queued.title,
            queued.description, queued.points, queued.tips, queued.created_at
        FROM challenges_catalog.changed_challenges AS queued
        WHERE ($1 IS NULL OR queued.challenge = $1)
            AND queued.id < $2
            AND queued.operation IS NOT NULL
            AND EXISTS (
                SELECT FROM challenges_catalog.edits AS e
                WHERE e.xid = queued.xid AND queued.id BETWEEN e.log_id AND e.last_id
            )
            AND (
                (SELECT challenges_catalog.sees_all_rows())
                OR EXISTS (SELECT FROM public.approach_challenges AS seen WHERE seen.id = queued.challenge)
            )
        ORDER BY queued.id DESC
        LIMIT $3
    )
) AS revision
JOIN challenges_catalog.edits AS edit
    ON (revision.xid IS NULL AND edit.log_id = revision.log_id)
    OR (edit.xid = revision.xid AND revision.log_id BETWEEN edit.log_id AND edit.last_id)
ORDER BY revision.id DESC
LIMIT $3
