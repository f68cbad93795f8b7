#!/bin/sh
# Makes a challenge what its newest revision shows: if it was deleted last, it comes back.
set -eu
addr=${CATALOG_ADDR:-127.0.0.1:50051}
id=${1:-00000000-0000-4000-8000-00000000cafe}

revision=$(grpcurl -plaintext -d "{\"challenge_id\": \"$id\", \"page_size\": 1}" \
  "$addr" challenges.admin.v1.ChallengesAdmin/ListChallengeRevisions | sed -n 's/.*"revision": "\([0-9]*\)".*/\1/p')
if [ -z "$revision" ]; then
  echo "challenge $id has no revision: run create-challenge.sh first" >&2
  exit 1
fi

grpcurl -plaintext -H 'x-caller-id: ann@example.org' -d "{\"id\": \"$id\", \"revision\": \"$revision\"}" \
  "$addr" challenges.admin.v1.ChallengesAdmin/RevertChallenge
