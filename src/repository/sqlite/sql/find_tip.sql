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
    created_at,
    expires_at
FROM challenge_tips
WHERE key = $1
