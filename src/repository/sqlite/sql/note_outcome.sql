UPDATE edit_requests
SET seq = $2, challenge = $3, tally = $4
WHERE id = $1
