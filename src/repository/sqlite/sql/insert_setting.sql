INSERT INTO runtime_settings (name, environment, value, description, created_by, updated_by)
VALUES ($1, $2, $3, $4, $5, $5)
ON CONFLICT DO NOTHING
