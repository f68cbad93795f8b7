-- What the catalog shows beside its challenges changes at most once in ten seconds for the sake of tips: each such change empties lists in
-- all caches, and whoever may have tips written could empty them as fast as they are written. Tips that come sooner are shown together.

-- Tips that are to be shown and are not yet.
ALTER TABLE challenges_catalog.challenge_tips ADD COLUMN is_due boolean NOT NULL DEFAULT false;
CREATE INDEX challenge_tips_due_idx ON challenges_catalog.challenge_tips (created_at) WHERE is_due;

-- When tips were shown last: one row.
CREATE TABLE challenges_catalog.tips_last_shown (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    shown_at timestamptz NOT NULL
);
INSERT INTO challenges_catalog.tips_last_shown (shown_at) VALUES ('-infinity');
REVOKE ALL ON challenges_catalog.tips_last_shown FROM PUBLIC;

-- Shows the tips that are due if the last ones were shown long enough ago. Tells how long it is until the rest may be shown; null if
-- there is none.
CREATE FUNCTION challenges_catalog.show_tips() RETURNS interval
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
DECLARE
    every CONSTANT interval := '10 seconds';
BEGIN
    IF NOT EXISTS (SELECT FROM challenges_catalog.challenge_tips WHERE is_due) THEN
        RETURN NULL;
    END IF;
    -- A time that is yet to come was told by a clock that has been set back since.
    UPDATE challenges_catalog.tips_last_shown
    SET shown_at = clock_timestamp()
    WHERE shown_at NOT BETWEEN clock_timestamp() - every AND clock_timestamp();
    IF FOUND THEN
        -- Who holds the lock on a tip that is due may wait for that on the row above.
        WITH due AS (
            UPDATE challenges_catalog.challenge_tips
            SET is_due = false
            WHERE key IN (
                SELECT waiting.key FROM challenges_catalog.challenge_tips AS waiting
                WHERE waiting.is_due
                ORDER BY waiting.created_at LIMIT 1000
                FOR UPDATE SKIP LOCKED
            )
            RETURNING challenge, key, content, text, created_at, expires_at
        )
        INSERT INTO challenges_catalog.shown_tips AS shown (challenge, key, content, text, created_at, expires_at)
        SELECT DISTINCT ON (challenge) challenge, key, content, text, created_at, expires_at
        FROM due
        ORDER BY challenge, created_at DESC
        ON CONFLICT (challenge) DO UPDATE
        SET key = excluded.key, content = excluded.content, text = excluded.text, created_at = excluded.created_at,
            expires_at = excluded.expires_at
        -- Of one key the epoch has decided; of two, their age does.
        WHERE shown.key = excluded.key OR shown.created_at <= excluded.created_at;
    END IF;
    RETURN (
        SELECT greatest(last.shown_at + every - clock_timestamp(), interval '0')
        FROM challenges_catalog.tips_last_shown AS last
        WHERE EXISTS (SELECT FROM challenges_catalog.challenge_tips WHERE is_due)
    );
END
$$;
REVOKE ALL ON FUNCTION challenges_catalog.show_tips() FROM PUBLIC;

CREATE OR REPLACE FUNCTION challenges_catalog.keep_tip(
    new_key bytea, new_challenge uuid, new_content bytea, new_locale text, new_persona text, new_edition text,
    new_epoch bigint, new_text text, new_sha256 bytea, new_provider text, new_model text, new_stop text,
    new_input_tokens bigint, new_output_tokens bigint, new_is_estimated boolean,
    new_created_at timestamptz, new_expires_at timestamptz, is_shown boolean
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
BEGIN
    INSERT INTO challenges_catalog.challenge_tips AS kept (
        key, challenge, content, locale, persona, edition, epoch, text, sha256, provider, model, stop,
        input_tokens, output_tokens, is_estimated, created_at, expires_at, is_due
    )
    VALUES (
        new_key, new_challenge, new_content, new_locale, new_persona, new_edition, new_epoch, new_text, new_sha256,
        new_provider, new_model, new_stop, new_input_tokens, new_output_tokens, new_is_estimated,
        new_created_at, new_expires_at, is_shown
    )
    ON CONFLICT (key) DO UPDATE
    SET epoch = excluded.epoch, text = excluded.text, sha256 = excluded.sha256, provider = excluded.provider,
        model = excluded.model, stop = excluded.stop, input_tokens = excluded.input_tokens,
        output_tokens = excluded.output_tokens, is_estimated = excluded.is_estimated,
        created_at = excluded.created_at, expires_at = excluded.expires_at, is_due = excluded.is_due
    WHERE kept.epoch < excluded.epoch;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF is_shown THEN
        PERFORM challenges_catalog.show_tips();
    END IF;
    RETURN true;
END
$$;

-- Shows what was left to be shown by a replica that is gone, and no tip any longer whose time is over; forgets tips that have been out of
-- date, and attempts that ended, for longer than they are kept: the oldest first, at most so many of each. Whoever finds a row taken
-- leaves it to the one who took it.
CREATE OR REPLACE FUNCTION challenges_catalog.prune_tips(keep_tips interval, keep_attempts interval, most bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, challenges_catalog, pg_temp AS $$
    SELECT challenges_catalog.show_tips();
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
