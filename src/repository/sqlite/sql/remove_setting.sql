DELETE FROM runtime_settings
WHERE name = $1
    AND json_array(name, environment, value, description, created_at, updated_at, created_by, updated_by) = $2
