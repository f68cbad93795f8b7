SELECT
    number,
    key,
    challenge,
    content,
    epoch,
    outcome
FROM tip_batch_orders
WHERE batch = $1
ORDER BY number
