-- Tips that providers wrote, which of them the catalog shows, and what all attempts cost. Times are microseconds since 1970.

-- Finished tips by name. Those whose time is over stay a while: they are better than none while the providers are away.
CREATE TABLE challenge_tips (
    key BLOB PRIMARY KEY NOT NULL CHECK (length(key) = 32),
    challenge TEXT NOT NULL,
    content BLOB NOT NULL CHECK (length(content) = 32),
    locale TEXT NOT NULL,
    persona TEXT NOT NULL,
    edition TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    text TEXT NOT NULL CHECK (length(CAST(text AS BLOB)) BETWEEN 1 AND 65536),
    sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    stop TEXT NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    is_estimated INTEGER NOT NULL CHECK (is_estimated IN (0, 1)),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX challenge_tips_newest_idx ON challenge_tips (challenge, locale, persona, created_at DESC);
CREATE INDEX challenge_tips_expires_idx ON challenge_tips (expires_at);

-- What the catalog shows: of each challenge the newest tip in the default language and voice, until its time is over. Readers
-- compare `content` with the challenge as it is now, because a tip for another text is not shown.
-- No read looks at the clock: a tip goes when its row goes, which is a change like any other. So a cached answer that no change
-- touched is what the database would answer.
CREATE TABLE shown_tips (
    challenge TEXT PRIMARY KEY NOT NULL,
    key BLOB NOT NULL,
    content BLOB NOT NULL,
    text TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX shown_tips_expires_idx ON shown_tips (expires_at);

-- The books: every attempt with a provider, whatever came of it. Rows are added and never changed; old ones are removed.
-- By time, for sums; and an attempt that is told twice counts once.
CREATE TABLE tip_attempts (
    ended_at INTEGER NOT NULL,
    key BLOB NOT NULL CHECK (length(key) = 32),
    epoch INTEGER NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    outcome TEXT NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    is_estimated INTEGER NOT NULL CHECK (is_estimated IN (0, 1)),
    cost_micro_usd INTEGER NOT NULL,
    PRIMARY KEY (ended_at, key, epoch)
) STRICT;

-- Every change of what is shown is noted in the transaction that makes it. All lists, as in the other engine.
CREATE TRIGGER shown_tips_insert AFTER INSERT ON shown_tips
BEGIN
    INSERT INTO catalog_change (tag)
    VALUES ('challenge:' || NEW.challenge), ('difficulty:beginner'), ('difficulty:intermediate'), ('difficulty:advanced');
END;

CREATE TRIGGER shown_tips_update AFTER UPDATE ON shown_tips
WHEN (OLD.challenge, OLD.content, OLD.text) <> (NEW.challenge, NEW.content, NEW.text)
BEGIN
    INSERT INTO catalog_change (tag)
    SELECT 'challenge:' || OLD.challenge
    UNION
    SELECT 'challenge:' || NEW.challenge
    UNION
    VALUES ('difficulty:beginner'), ('difficulty:intermediate'), ('difficulty:advanced');
END;

CREATE TRIGGER shown_tips_delete AFTER DELETE ON shown_tips
BEGIN
    INSERT INTO catalog_change (tag)
    VALUES ('challenge:' || OLD.challenge), ('difficulty:beginner'), ('difficulty:intermediate'), ('difficulty:advanced');
END;
