-- The second is called only when the first has closed the batch.
WITH closed AS MATERIALIZED (
    SELECT challenges_catalog.close_tip_batch($15, $16) AS is_done
),
noted AS MATERIALIZED (
    SELECT CASE WHEN closed.is_done THEN challenges_catalog.note_tip_batch(
        $1, $2, $3, $4, $5, $6, $7, $8, $9, timestamptz 'epoch' + $10 * interval '1 microsecond', $11, $12, $13, $14
    ) END AS nothing
    FROM closed
)
SELECT closed.is_done
FROM closed
CROSS JOIN noted
