SELECT payload, log_id AS commit_ref, challenge::text AS challenge, tally
FROM challenges_catalog.begin_edit($1, $2, $3, make_interval(secs => $4))
