BEGIN ISOLATION LEVEL READ COMMITTED;
SELECT
    pg_is_in_recovery() AS in_recovery,
    -- The default can be set for the role, the database or the server.
    current_setting('default_transaction_read_only') = 'on' AS is_read_only
