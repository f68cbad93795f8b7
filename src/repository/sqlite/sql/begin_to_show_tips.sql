-- A time in the future is from a clock that was set back since.
UPDATE tips_last_shown
SET shown_at = CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)
WHERE shown_at NOT BETWEEN
    CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER) - $1
    AND CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)
