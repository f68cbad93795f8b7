INSERT INTO tip_attempts (
    ended_at, key, epoch, provider, model, outcome, input_tokens, output_tokens, is_estimated, cost_micro_usd
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (ended_at, key, epoch) DO NOTHING
