SELECT pid::text || ' since ' || backend_start::text AS backend
FROM pg_stat_activity
WHERE pid = pg_backend_pid()
