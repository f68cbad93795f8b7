SELECT p.removed, p.go_on_from AS next
FROM challenges_catalog.prune_revisions(clock_timestamp() - make_interval(secs => $1), $2, $3) AS p
