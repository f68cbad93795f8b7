SELECT
    key,
    epoch,
    text,
    sha256,
    provider,
    model,
    stop,
    input_tokens,
    output_tokens,
    is_estimated,
    (extract(epoch FROM created_at) * 1000000)::bigint AS created_at,
    (extract(epoch FROM expires_at) * 1000000)::bigint AS expires_at
FROM challenges_catalog.challenge_tips
WHERE key = $1
