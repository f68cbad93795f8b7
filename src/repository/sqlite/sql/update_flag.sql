UPDATE feature_flags
SET environment = $2, enabled = $3, rollout_percentage = $4, description = $5, updated_by = $6,
    updated_at = CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)
WHERE name = $1
    AND json_array(id, name, environment, enabled, rollout_percentage, description, created_at, updated_at, created_by, updated_by)
        = $7
