SELECT
    batch.id,
    batch.provider,
    batch.model,
    batch.locale,
    batch.persona,
    batch.edition,
    batch.is_shown,
    batch.repeats,
    batch.reserved_micro_usd,
    batch.created_at,
    batch.handed_in_at,
    batch.provider_batch_id,
    batch.ended_at,
    batch.closed_as,
    count(placed.number) AS orders,
    count(placed.outcome) AS settled,
    count(CASE WHEN placed.outcome = 'success' THEN 1 END) AS written,
    coalesce(sum(placed.input_tokens), 0) AS input_tokens,
    coalesce(sum(placed.output_tokens), 0) AS output_tokens,
    coalesce(max(placed.is_estimated), 0) AS is_estimated,
    coalesce(sum(placed.cost_micro_usd), 0) AS cost_micro_usd
FROM tip_batches AS batch
LEFT JOIN tip_batch_orders AS placed ON placed.batch = batch.id
WHERE CASE
    WHEN $1 THEN batch.closed_as IS NULL
    ELSE batch.id IN (SELECT value FROM json_each($2)) OR batch.repeats IN (SELECT value FROM json_each($2))
END
GROUP BY batch.id
ORDER BY batch.created_at, batch.id
LIMIT $3
