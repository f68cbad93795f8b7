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
WHERE challenge = $1 AND locale = $2 AND persona = $3
ORDER BY created_at DESC
LIMIT 1
