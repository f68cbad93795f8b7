SELECT challenges_catalog.note_attempt(
    timestamptz 'epoch' + $1 * interval '1 microsecond', $2, $3, $4, $5, $6, $7, $8, $9, $10
)
