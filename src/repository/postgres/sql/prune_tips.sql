SELECT challenges_catalog.prune_tips(make_interval(secs => $1), make_interval(secs => $2), $3)
