SELECT challenges_catalog.prune_edit_requests(make_interval(secs => $1), $2)
