-- The role's own limits must not end the session that holds the lock. Older servers lack some of these settings.
SELECT set_config(s.name, '0', false)
FROM pg_settings AS s
WHERE s.name IN ('idle_in_transaction_session_timeout', 'statement_timeout', 'transaction_timeout')
