#!/bin/sh
# Reads a challenge as its row has it, and changes it only if nobody else did meanwhile.
set -eu
addr=${CATALOG_ADDR:-127.0.0.1:50051}
id=${1:-00000000-0000-4000-8000-00000000cafe}

etag=$(grpcurl -plaintext -d "{\"id\": \"$id\"}" \
  "$addr" challenges.admin.v1.ChallengesAdmin/GetChallenge | sed -n 's/.*"etag": \(".*"\).*/\1/p')

grpcurl -plaintext -H 'x-caller-id: ann@example.org' \
  -d "{\"challenge\": {\"id\": \"$id\", \"title\": \"Thank the driver\", \"etag\": $etag}}" \
  "$addr" challenges.admin.v1.ChallengesAdmin/UpdateChallenge
