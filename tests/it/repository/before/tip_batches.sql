SELECT
    batch.id::text AS id,
    batch.provider,
    batch.model,
    batch.locale,
    batch.persona,
    batch.edition,
    batch.is_shown,
    batch.repeats::text AS repeats,
    batch.reserved_micro_usd,
    (extract(epoch FROM batch.created_at) * 1000000)::bigint AS created_at,
    (extract(epoch FROM batch.handed_in_at) * 1000000)::bigint AS handed_in_at,
    batch.provider_batch_id,
    (extract(epoch FROM batch.ended_at) * 1000000)::bigint AS ended_at,
    batch.closed_as,
    sums.orders,
    sums.settled,
    sums.written,
    sums.input_tokens,
    sums.output_tokens,
    sums.is_estimated,
    sums.cost_micro_usd
FROM challenges_catalog.tip_batches AS batch
CROSS JOIN LATERAL (
    SELECT
        count(*) AS orders,
        count(placed.outcome) AS settled,
        count(*) FILTER (WHERE placed.outcome = 'success') AS written,
        coalesce(sum(placed.input_tokens), 0)::bigint AS input_tokens,
        coalesce(sum(placed.output_tokens), 0)::bigint AS output_tokens,
        coalesce(bool_or(placed.is_estimated), false) AS is_estimated,
        coalesce(sum(placed.cost_micro_usd), 0)::bigint AS cost_micro_usd
    FROM challenges_catalog.tip_batch_orders AS placed
    WHERE placed.batch = batch.id
) AS sums
WHERE CASE WHEN $1 THEN batch.closed_as IS NULL ELSE batch.id = ANY($2) OR batch.repeats = ANY($2) END
ORDER BY batch.created_at, batch.id
LIMIT $3
