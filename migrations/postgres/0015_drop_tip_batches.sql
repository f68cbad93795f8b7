-- Tips are no longer ordered in a provider's batches, so their tables and functions go. What batches brought stays: their tips are in
-- challenge_tips, and their attempts in tip_attempts.

LOCK TABLE challenges_catalog.tip_batches, challenges_catalog.tip_batch_orders IN ACCESS EXCLUSIVE MODE;

-- The provider is paid for a batch that is open, and nothing but these tables leads to its tips: the release before has to take them over.
DO $$
DECLARE
    open_batches text;
BEGIN
    SELECT string_agg(format('%s (%s at %s)', id, coalesce(provider_batch_id, 'not known'), provider), ', ' ORDER BY created_at)
    INTO open_batches
    FROM challenges_catalog.tip_batches
    WHERE closed_as IS NULL;
    IF open_batches IS NOT NULL THEN
        RAISE EXCEPTION
            'batches of tips are open: %; let replicas of the release before take them over, then migrate (see migrations/README.md)',
            open_batches;
    END IF;
END
$$;

DROP FUNCTION challenges_catalog.note_tip_batch(
    uuid, text, text, text, text, text, boolean, uuid, bigint, timestamptz, bytea[], uuid[], bytea[], bigint[]
);
DROP FUNCTION challenges_catalog.hand_in_tip_batch(uuid, timestamptz);
DROP FUNCTION challenges_catalog.name_tip_batch(uuid, text);
DROP FUNCTION challenges_catalog.end_tip_batch(uuid, timestamptz);
DROP FUNCTION challenges_catalog.settle_tip_batch(uuid, integer[], text[], bigint[], bigint[], boolean[], bigint[]);
DROP FUNCTION challenges_catalog.close_tip_batch(uuid, boolean);

-- Replicas of the release before look for open batches twice a minute and before each run that has tips written. Until none of them is
-- left, empty views tell them that there is none; a later migration drops them.
ALTER TABLE challenges_catalog.tip_batches RENAME TO closed_tip_batches;
ALTER TABLE challenges_catalog.tip_batch_orders RENAME TO closed_tip_batch_orders;
CREATE VIEW challenges_catalog.tip_batches AS
SELECT
    NULL::uuid AS id,
    NULL::text AS provider,
    NULL::text AS model,
    NULL::text AS locale,
    NULL::text AS persona,
    NULL::text AS edition,
    NULL::boolean AS is_shown,
    NULL::uuid AS repeats,
    NULL::bigint AS reserved_micro_usd,
    NULL::timestamptz AS created_at,
    NULL::timestamptz AS handed_in_at,
    NULL::text AS provider_batch_id,
    NULL::timestamptz AS ended_at,
    NULL::text AS closed_as,
    NULL::timestamptz AS closed_at
WHERE false;
CREATE VIEW challenges_catalog.tip_batch_orders AS
SELECT
    NULL::uuid AS batch,
    NULL::integer AS number,
    NULL::bytea AS key,
    NULL::uuid AS challenge,
    NULL::bytea AS content,
    NULL::bigint AS epoch,
    NULL::text AS outcome,
    NULL::bigint AS input_tokens,
    NULL::bigint AS output_tokens,
    NULL::boolean AS is_estimated,
    NULL::bigint AS cost_micro_usd
WHERE false;
REVOKE ALL ON challenges_catalog.tip_batches, challenges_catalog.tip_batch_orders FROM PUBLIC;
DO $$
DECLARE
    reader record;
BEGIN
    FOR reader IN
        SELECT replace(c.relname, 'closed_', '') AS view, a.grantee::regrole::text AS role
        FROM pg_catalog.pg_class AS c
        CROSS JOIN LATERAL aclexplode(c.relacl) AS a
        WHERE c.oid IN ('challenges_catalog.closed_tip_batches'::regclass, 'challenges_catalog.closed_tip_batch_orders'::regclass)
            AND a.privilege_type = 'SELECT' AND a.grantee NOT IN (0, c.relowner)
    LOOP
        EXECUTE format('GRANT SELECT ON challenges_catalog.%I TO %s', reader.view, reader.role);
    END LOOP;
END
$$;
DROP TABLE challenges_catalog.closed_tip_batch_orders, challenges_catalog.closed_tip_batches;
