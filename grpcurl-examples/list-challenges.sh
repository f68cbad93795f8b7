#!/bin/sh
# Lists beginner challenges, in the order of their points.
set -eu
addr=${CATALOG_ADDR:-127.0.0.1:50051}

# page_size is 1 to 100, and 50 without it. total_count counts every page.
grpcurl -plaintext -d '{"difficulty": "DIFFICULTY_BEGINNER", "page_size": 20}' \
    "$addr" challenges.catalog.v1.ChallengesCatalog/ListChallenges

# Every difficulty, the first 50:
# grpcurl -plaintext "$addr" challenges.catalog.v1.ChallengesCatalog/ListChallenges
#
# Was it a cache hit, and how old can it be? Ask twice and look at cached, cacheExpireTime
# and freshness; -v shows the x-request-id that the server's log lines carry:
# grpcurl -plaintext -v -H 'x-request-id: my-question-1' \
#     "$addr" challenges.catalog.v1.ChallengesCatalog/ListChallenges
#
# Has it changed since? Pass the etag of an earlier answer; notModified comes back if not:
# grpcurl -plaintext -d '{"if_none_match": "W/\"q83vEjRWeJA\""}' \
#     "$addr" challenges.catalog.v1.ChallengesCatalog/ListChallenges
