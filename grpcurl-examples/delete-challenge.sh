#!/bin/sh
# Deletes a challenge, unless rows of another table refer to it.
set -eu
addr=${CATALOG_ADDR:-127.0.0.1:50051}
id=${1:-00000000-0000-4000-8000-00000000cafe}

grpcurl -plaintext -H 'x-caller-id: ann@example.org' -d "{\"id\": \"$id\"}" \
  "$addr" challenges.admin.v1.ChallengesAdmin/DeleteChallenge
