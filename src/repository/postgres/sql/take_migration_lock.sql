-- READ COMMITTED: the open transaction holds no snapshot, so that CREATE INDEX CONCURRENTLY does not wait for it.
BEGIN ISOLATION LEVEL READ COMMITTED;
SELECT set_config('role', pg_get_userbyid(c.relowner), true)
FROM pg_class AS c
WHERE c.oid = to_regclass('challenges_catalog.migration_lock') AND pg_get_userbyid(c.relowner) <> current_user;
LOCK TABLE challenges_catalog.migration_lock IN EXCLUSIVE MODE NOWAIT
