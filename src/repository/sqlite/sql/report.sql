INSERT INTO catalog_replica (id, name, database, timeline, seq, status, heard_at)
VALUES ($1, $2, $3, $4, $5, $6, CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER))
ON CONFLICT (id) DO UPDATE
SET name = excluded.name, database = excluded.database, timeline = excluded.timeline, seq = excluded.seq, status = excluded.status,
    heard_at = excluded.heard_at
