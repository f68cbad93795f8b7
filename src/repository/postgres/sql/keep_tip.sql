SELECT challenges_catalog.keep_tip(
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15,
    timestamptz 'epoch' + $16 * interval '1 microsecond',
    timestamptz 'epoch' + $17 * interval '1 microsecond',
    $18
)
