#!/bin/sh
# Changes the fields that are set. To change only what you have read, pass its etag: "etag": "W/\"…\"".
set -eu
addr=${CATALOG_ADDR:-127.0.0.1:50051}
id=${1:-00000000-0000-4000-8000-00000000cafe}

grpcurl -plaintext -H 'x-caller-id: ann@example.org' \
  -d "{\"challenge\": {\"id\": \"$id\", \"title\": \"Thank a driver\", \"points\": 15}}" \
  "$addr" challenges.admin.v1.ChallengesAdmin/UpdateChallenge

# Without the tip that it has; what it would be, and nothing changed:
# grpcurl -plaintext -d "{\"challenge\": {\"id\": \"$id\"}, \"update_mask\": \"tips\", \"validate_only\": true}" \
#   "$addr" challenges.admin.v1.ChallengesAdmin/UpdateChallenge
