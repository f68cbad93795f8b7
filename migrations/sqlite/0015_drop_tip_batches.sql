-- Tips are no longer ordered in a provider's batches, so their tables go. What batches brought stays: their tips are in challenge_tips, and
-- their attempts in tip_attempts.

-- The provider is paid for a batch that is open, and nothing but these tables leads to its tips: the release before has to take them over.
CREATE TRIGGER keep_open_tip_batches BEFORE DELETE ON tip_batches WHEN old.closed_as IS NULL
BEGIN
    SELECT raise(ABORT, 'batches of tips are open; let the release before take them over, then migrate (see migrations/README.md)');
END;
DELETE FROM tip_batches;

DROP TABLE tip_batch_orders;
DROP TABLE tip_batches;
