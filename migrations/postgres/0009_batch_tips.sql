-- Tips that were ordered together, at half the price and with a day's time: noted before a provider hears of them, so that they are
-- found again whatever becomes of the replica that ordered them. The role that serves reads the tables, and calls the functions.

CREATE TABLE challenges_catalog.tip_batches (
    id uuid PRIMARY KEY,
    provider text NOT NULL,
    model text NOT NULL,
    locale text NOT NULL,
    persona text NOT NULL,
    edition text NOT NULL,
    is_shown boolean NOT NULL,
    -- The earlier batch of which it repeats orders.
    repeats uuid,
    reserved_micro_usd bigint NOT NULL,
    created_at timestamptz NOT NULL,
    -- From then on a provider may have it.
    handed_in_at timestamptz,
    -- Its name there, once that is known.
    provider_batch_id text,
    -- When the provider was done with it. The books take it as the time of every order, so that one that is entered again counts once.
    ended_at timestamptz,
    closed_as text CHECK (closed_as IN ('imported', 'lost')),
    closed_at timestamptz,
    CHECK ((closed_as IS NULL) = (closed_at IS NULL))
);
CREATE INDEX tip_batches_open_idx ON challenges_catalog.tip_batches (created_at) WHERE closed_as IS NULL;

CREATE TABLE challenges_catalog.tip_batch_orders (
    batch uuid NOT NULL REFERENCES challenges_catalog.tip_batches (id) ON DELETE CASCADE,
    number integer NOT NULL CHECK (number >= 0),
    key bytea NOT NULL CHECK (length(key) = 32),
    challenge uuid NOT NULL,
    content bytea NOT NULL CHECK (length(content) = 32),
    epoch bigint NOT NULL,
    -- What became of it; the rest means nothing before.
    outcome text,
    input_tokens bigint NOT NULL DEFAULT 0,
    output_tokens bigint NOT NULL DEFAULT 0,
    is_estimated boolean NOT NULL DEFAULT false,
    cost_micro_usd bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (batch, number)
);

-- Notes a batch with its orders, numbered from 0; what is there stays. Those that were closed long ago are forgotten.
CREATE FUNCTION challenges_catalog.note_tip_batch(
    new_id uuid, new_provider text, new_model text, new_locale text, new_persona text, new_edition text,
    new_is_shown boolean, new_repeats uuid, new_reserved_micro_usd bigint, new_created_at timestamptz,
    keys bytea[], challenges uuid[], contents bytea[], epochs bigint[]
) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
    DELETE FROM challenges_catalog.tip_batches WHERE closed_at < clock_timestamp() - interval '90 days';
    INSERT INTO challenges_catalog.tip_batches (
        id, provider, model, locale, persona, edition, is_shown, repeats, reserved_micro_usd, created_at
    )
    VALUES (
        new_id, new_provider, new_model, new_locale, new_persona, new_edition, new_is_shown, new_repeats,
        new_reserved_micro_usd, new_created_at
    )
    ON CONFLICT (id) DO NOTHING;
    INSERT INTO challenges_catalog.tip_batch_orders (batch, number, key, challenge, content, epoch)
    SELECT new_id, ordered.number - 1, ordered.key, ordered.challenge, ordered.content, ordered.epoch
    FROM unnest(keys, challenges, contents, epochs) WITH ORDINALITY AS ordered (key, challenge, content, epoch, number)
    ON CONFLICT (batch, number) DO NOTHING;
$$;

-- Notes since when a provider may have the batch; NULL when none has.
CREATE FUNCTION challenges_catalog.hand_in_tip_batch(batch_id uuid, at timestamptz) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
    UPDATE challenges_catalog.tip_batches SET handed_in_at = at WHERE id = batch_id AND provider_batch_id IS NULL;
$$;

-- Notes the provider's name for the batch; the first one stays.
CREATE FUNCTION challenges_catalog.name_tip_batch(batch_id uuid, provider_name text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
    UPDATE challenges_catalog.tip_batches SET provider_batch_id = provider_name
    WHERE id = batch_id AND provider_batch_id IS NULL;
$$;

-- Notes when the provider was done with the batch; the first word stays.
CREATE FUNCTION challenges_catalog.end_tip_batch(batch_id uuid, at timestamptz) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
    UPDATE challenges_catalog.tip_batches SET ended_at = at WHERE id = batch_id AND ended_at IS NULL;
$$;

-- Notes what became of some orders; what is noted stays.
CREATE FUNCTION challenges_catalog.settle_tip_batch(
    batch_id uuid, numbers integer[], outcomes text[], inputs bigint[], outputs bigint[], estimates boolean[], costs bigint[]
) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
    UPDATE challenges_catalog.tip_batch_orders AS noted
    SET outcome = told.outcome, input_tokens = told.input, output_tokens = told.output, is_estimated = told.is_estimated,
        cost_micro_usd = told.cost
    FROM unnest(numbers, outcomes, inputs, outputs, estimates, costs)
        AS told (number, outcome, input, output, is_estimated, cost)
    WHERE noted.batch = batch_id AND noted.number = told.number AND noted.outcome IS NULL;
$$;

-- Closes an open batch, and tells whether it was open.
CREATE FUNCTION challenges_catalog.close_tip_batch(batch_id uuid, is_lost boolean) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
BEGIN
    UPDATE challenges_catalog.tip_batches
    SET closed_as = CASE WHEN is_lost THEN 'lost' ELSE 'imported' END, closed_at = clock_timestamp()
    WHERE id = batch_id AND closed_as IS NULL;
    RETURN FOUND;
END
$$;

REVOKE ALL ON challenges_catalog.tip_batches, challenges_catalog.tip_batch_orders FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA challenges_catalog FROM PUBLIC;
