SELECT payload, seq AS commit_ref, challenge, tally
FROM edit_requests
WHERE id = $1
