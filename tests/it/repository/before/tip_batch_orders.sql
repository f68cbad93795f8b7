SELECT
    number,
    key,
    challenge::text AS challenge,
    content,
    epoch,
    outcome
FROM challenges_catalog.tip_batch_orders
WHERE batch = $1
ORDER BY number
