INSERT INTO tip_batches (
    id, provider, model, locale, persona, edition, is_shown, repeats, reserved_micro_usd, created_at
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (id) DO NOTHING
