DELETE FROM feature_flags
WHERE name = $1
    AND json_array(id, name, environment, enabled, rollout_percentage, description, created_at, updated_at, created_by, updated_by)
        = $2
