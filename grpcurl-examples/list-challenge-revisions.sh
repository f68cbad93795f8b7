#!/bin/sh
# Shows who changed a challenge, and when; the newest change first. Without challenge_id: the changes of all.
set -eu
addr=${CATALOG_ADDR:-127.0.0.1:50051}
id=${1:-00000000-0000-4000-8000-00000000cafe}

grpcurl -plaintext -d "{\"challenge_id\": \"$id\", \"page_size\": 10}" \
  "$addr" challenges.admin.v1.ChallengesAdmin/ListChallengeRevisions
