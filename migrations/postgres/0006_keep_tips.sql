-- Tips that providers wrote, which of them the catalog shows, and what all attempts cost. The role that serves has no rights on
-- the tables but to read: it calls the functions. No key refers to public.approach_challenges: its writers must never wait, or
-- fail, for the sake of a tip.

-- Finished tips by name. Those whose time is over stay a while: they are better than none while the providers are away.
CREATE TABLE challenges_catalog.challenge_tips (
    key bytea PRIMARY KEY CHECK (length(key) = 32),
    challenge uuid NOT NULL,
    content bytea NOT NULL CHECK (length(content) = 32),
    locale text NOT NULL,
    persona text NOT NULL,
    edition text NOT NULL,
    epoch bigint NOT NULL,
    text text NOT NULL CHECK (octet_length(text) BETWEEN 1 AND 65536),
    sha256 bytea NOT NULL CHECK (length(sha256) = 32),
    provider text NOT NULL,
    model text NOT NULL,
    stop text NOT NULL,
    input_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    is_estimated boolean NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX challenge_tips_newest_idx ON challenges_catalog.challenge_tips (challenge, locale, persona, created_at DESC);
CREATE INDEX challenge_tips_expires_idx ON challenges_catalog.challenge_tips (expires_at);

-- What the catalog shows: of each challenge the newest tip in the default language and voice, until its time is over. Readers
-- compare `content` with the challenge as it is now, because a tip for another text is not shown.
-- No read looks at the clock: a tip goes when its row goes, which is a change like any other. So a cached answer that no commit
-- touched is what the database would answer.
CREATE TABLE challenges_catalog.shown_tips (
    challenge uuid PRIMARY KEY,
    key bytea NOT NULL,
    content bytea NOT NULL,
    text text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX shown_tips_expires_idx ON challenges_catalog.shown_tips (expires_at);

-- The books: every attempt with a provider, whatever came of it. Rows are added and never changed; old ones are removed.
-- By time, for sums; and an attempt that is told twice counts once.
CREATE TABLE challenges_catalog.tip_attempts (
    ended_at timestamptz NOT NULL,
    key bytea NOT NULL CHECK (length(key) = 32),
    epoch bigint NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    outcome text NOT NULL,
    input_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    is_estimated boolean NOT NULL,
    cost_micro_usd bigint NOT NULL,
    PRIMARY KEY (ended_at, key, epoch)
);

-- Every change of what is shown enters the commit log in the transaction that makes it.
CREATE FUNCTION challenges_catalog.note_shown_tip() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND (OLD.challenge, OLD.content, OLD.text) = (NEW.challenge, NEW.content, NEW.text) THEN
        RETURN NULL;
    END IF;
    -- All lists: the challenge may be on its way from one to another, in a transaction that this one cannot see.
    PERFORM challenges_catalog.emit(ARRAY[
        'challenge:' || OLD.challenge, 'challenge:' || NEW.challenge,
        'difficulty:beginner', 'difficulty:intermediate', 'difficulty:advanced'
    ]);
    RETURN NULL;
END
$$;

-- Keeps a tip unless one of the same or a later epoch is there, and tells whether it did. What the key was made of stays.
CREATE FUNCTION challenges_catalog.keep_tip(
    new_key bytea, new_challenge uuid, new_content bytea, new_locale text, new_persona text, new_edition text,
    new_epoch bigint, new_text text, new_sha256 bytea, new_provider text, new_model text, new_stop text,
    new_input_tokens bigint, new_output_tokens bigint, new_is_estimated boolean,
    new_created_at timestamptz, new_expires_at timestamptz, is_shown boolean
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
BEGIN
    INSERT INTO challenges_catalog.challenge_tips AS kept (
        key, challenge, content, locale, persona, edition, epoch, text, sha256, provider, model, stop,
        input_tokens, output_tokens, is_estimated, created_at, expires_at
    )
    VALUES (
        new_key, new_challenge, new_content, new_locale, new_persona, new_edition, new_epoch, new_text, new_sha256,
        new_provider, new_model, new_stop, new_input_tokens, new_output_tokens, new_is_estimated,
        new_created_at, new_expires_at
    )
    ON CONFLICT (key) DO UPDATE
    SET epoch = excluded.epoch, text = excluded.text, sha256 = excluded.sha256, provider = excluded.provider,
        model = excluded.model, stop = excluded.stop, input_tokens = excluded.input_tokens,
        output_tokens = excluded.output_tokens, is_estimated = excluded.is_estimated,
        created_at = excluded.created_at, expires_at = excluded.expires_at
    WHERE kept.epoch < excluded.epoch;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF is_shown THEN
        INSERT INTO challenges_catalog.shown_tips AS shown (challenge, key, content, text, created_at, expires_at)
        VALUES (new_challenge, new_key, new_content, new_text, new_created_at, new_expires_at)
        ON CONFLICT (challenge) DO UPDATE
        SET key = excluded.key, content = excluded.content, text = excluded.text, created_at = excluded.created_at,
            expires_at = excluded.expires_at
        -- Of one key the epoch has decided; of two, their age does.
        WHERE shown.key = excluded.key OR shown.created_at <= excluded.created_at;
    END IF;
    RETURN true;
END
$$;

-- Enters an attempt into the books.
CREATE FUNCTION challenges_catalog.note_attempt(
    new_ended_at timestamptz, new_key bytea, new_epoch bigint, new_provider text, new_model text, new_outcome text,
    new_input_tokens bigint, new_output_tokens bigint, new_is_estimated boolean, new_cost_micro_usd bigint
) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
    INSERT INTO challenges_catalog.tip_attempts (
        ended_at, key, epoch, provider, model, outcome, input_tokens, output_tokens, is_estimated, cost_micro_usd
    )
    VALUES (
        new_ended_at, new_key, new_epoch, new_provider, new_model, new_outcome, new_input_tokens, new_output_tokens,
        new_is_estimated, new_cost_micro_usd
    )
    ON CONFLICT (ended_at, key, epoch) DO NOTHING;
$$;

-- Shows no tip any longer whose time is over, and forgets tips that have been out of date, and attempts that ended, for longer
-- than they are kept: the oldest first, at most so many of each. Whoever finds a row taken leaves it to the one who took it.
CREATE FUNCTION challenges_catalog.prune_tips(keep_tips interval, keep_attempts interval, most bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
    DELETE FROM challenges_catalog.shown_tips
    WHERE challenge IN (
        SELECT old.challenge FROM challenges_catalog.shown_tips AS old
        WHERE old.expires_at <= clock_timestamp()
        ORDER BY old.expires_at LIMIT most
        FOR UPDATE SKIP LOCKED
    );
    DELETE FROM challenges_catalog.challenge_tips
    WHERE key IN (
        SELECT old.key FROM challenges_catalog.challenge_tips AS old
        WHERE old.expires_at < clock_timestamp() - keep_tips
        ORDER BY old.expires_at LIMIT most
        FOR UPDATE SKIP LOCKED
    );
    DELETE FROM challenges_catalog.tip_attempts
    WHERE (ended_at, key, epoch) IN (
        SELECT old.ended_at, old.key, old.epoch FROM challenges_catalog.tip_attempts AS old
        WHERE old.ended_at < clock_timestamp() - keep_attempts
        ORDER BY old.ended_at LIMIT most
        FOR UPDATE SKIP LOCKED
    );
$$;

REVOKE ALL ON challenges_catalog.challenge_tips, challenges_catalog.shown_tips, challenges_catalog.tip_attempts FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA challenges_catalog FROM PUBLIC;

CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON challenges_catalog.shown_tips
FOR EACH ROW EXECUTE FUNCTION challenges_catalog.note_shown_tip();
CREATE TRIGGER note_truncate AFTER TRUNCATE ON challenges_catalog.shown_tips
FOR EACH STATEMENT EXECUTE FUNCTION challenges_catalog.note_truncate();
ALTER TABLE challenges_catalog.shown_tips
    ENABLE ALWAYS TRIGGER note_change,
    ENABLE ALWAYS TRIGGER note_truncate;
