-- Tips that were ordered together, at half the price and with a day's time: noted before a provider hears of them, so that they are
-- found again whatever becomes of the process that ordered them. Times are microseconds since 1970.

CREATE TABLE tip_batches (
    id TEXT PRIMARY KEY NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    locale TEXT NOT NULL,
    persona TEXT NOT NULL,
    edition TEXT NOT NULL,
    is_shown INTEGER NOT NULL CHECK (is_shown IN (0, 1)),
    -- The earlier batch of which it repeats orders.
    repeats TEXT,
    reserved_micro_usd INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    -- From then on a provider may have it.
    handed_in_at INTEGER,
    -- Its name there, once that is known.
    provider_batch_id TEXT,
    -- When the provider was done with it. The books take it as the time of every order, so that one that is entered again counts once.
    ended_at INTEGER,
    closed_as TEXT CHECK (closed_as IN ('imported', 'lost')),
    closed_at INTEGER,
    CHECK ((closed_as IS NULL) = (closed_at IS NULL))
) STRICT;
CREATE INDEX tip_batches_open_idx ON tip_batches (created_at) WHERE closed_as IS NULL;

CREATE TABLE tip_batch_orders (
    batch TEXT NOT NULL REFERENCES tip_batches (id) ON DELETE CASCADE,
    number INTEGER NOT NULL CHECK (number >= 0),
    key BLOB NOT NULL CHECK (length(key) = 32),
    challenge TEXT NOT NULL,
    content BLOB NOT NULL CHECK (length(content) = 32),
    epoch INTEGER NOT NULL,
    -- What became of it; the rest means nothing before.
    outcome TEXT,
    input_tokens INTEGER NOT NULL DEFAULT 0,
    output_tokens INTEGER NOT NULL DEFAULT 0,
    is_estimated INTEGER NOT NULL DEFAULT 0 CHECK (is_estimated IN (0, 1)),
    cost_micro_usd INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (batch, number)
) STRICT;
