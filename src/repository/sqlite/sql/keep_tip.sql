INSERT INTO challenge_tips (
    key, challenge, content, locale, persona, edition, epoch, text, sha256, provider, model, stop,
    input_tokens, output_tokens, is_estimated, created_at, expires_at, is_due
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
ON CONFLICT (key) DO UPDATE
SET epoch = excluded.epoch, text = excluded.text, sha256 = excluded.sha256, provider = excluded.provider,
    model = excluded.model, stop = excluded.stop, input_tokens = excluded.input_tokens,
    output_tokens = excluded.output_tokens, is_estimated = excluded.is_estimated,
    created_at = excluded.created_at, expires_at = excluded.expires_at,
    is_due = excluded.is_due
WHERE challenge_tips.epoch < excluded.epoch
