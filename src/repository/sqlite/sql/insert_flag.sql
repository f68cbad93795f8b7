INSERT INTO feature_flags (name, environment, enabled, rollout_percentage, description, created_by, updated_by)
VALUES ($1, $2, $3, $4, $5, $6, $6)
ON CONFLICT DO NOTHING
