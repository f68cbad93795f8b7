SELECT challenges_catalog.insert_challenge(
    $1, $2, $3, $4, $5, $6, timestamptz 'epoch' + $7::bigint * interval '1 microsecond'
)
