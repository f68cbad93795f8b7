#!/bin/sh
# Shows one challenge. The id is that of a seed; NOT_FOUND means that the database has none such.
set -eu
addr=${CATALOG_ADDR:-127.0.0.1:50051}
id=${1:-7368dad2-43a3-4359-95c9-2405f700f00e}

grpcurl -plaintext -d "{\"id\": \"$id\"}" \
    "$addr" challenges.catalog.v1.ChallengesCatalog/GetChallenge

# Another one:
# grpcurl-examples/get-challenge.sh 2934b37a-6948-4f13-8840-217bd10b364c
