#!/bin/sh
# Shows what the server can do, from the server itself: its services, and one with its comments.
set -eu
addr=${CATALOG_ADDR:-127.0.0.1:50051}

grpcurl -plaintext "$addr" list
grpcurl -plaintext "$addr" describe challenges.catalog.v1.ChallengesCatalog

# A message, with every field's unit and range:
# grpcurl -plaintext "$addr" describe challenges.catalog.v1.ListChallengesRequest
