SELECT challenges_catalog.note_tip_batch(
    $1, $2, $3, $4, $5, $6, $7, $8, $9, timestamptz 'epoch' + $10 * interval '1 microsecond', $11, $12, $13, $14
)
