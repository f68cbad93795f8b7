UPDATE tip_batch_orders
SET outcome = $3, input_tokens = $4, output_tokens = $5, is_estimated = $6, cost_micro_usd = $7
WHERE batch = $1 AND number = $2 AND outcome IS NULL
