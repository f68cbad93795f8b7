#!/bin/sh
# Shows a tip as it is written, event by event: accepted, pieces of text, and done with its source and its hash.
# Without a provider it is the tip that a person wrote, and done says so.
set -eu
addr=${CATALOG_ADDR:-127.0.0.1:50051}
id=${1:-7368dad2-43a3-4359-95c9-2405f700f00e}

grpcurl -plaintext -d "{\"challenge_id\": \"$id\"}" \
    "$addr" challenges.catalog.v1.ChallengesCatalog/StreamTips

# On from where a stream was lost, with the resumeToken of its last event:
# grpcurl -plaintext -d "{\"challenge_id\": \"$id\", \"resume_token\": \"AX1C…\"}" \
#     "$addr" challenges.catalog.v1.ChallengesCatalog/StreamTips
