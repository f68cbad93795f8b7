INSERT INTO catalog_task (name, holder, until)
VALUES ($1, $2, CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER) + $3)
ON CONFLICT (name) DO UPDATE
SET holder = excluded.holder, until = excluded.until
WHERE catalog_task.holder = excluded.holder
    OR catalog_task.until < CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)
