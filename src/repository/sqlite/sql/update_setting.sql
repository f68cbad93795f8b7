UPDATE runtime_settings
SET value = $3, description = $4, updated_by = $5,
    updated_at = CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)
WHERE name = $1 AND environment = $2
    AND json_array(name, environment, value, description, created_at, updated_at, created_by, updated_by) = $6
