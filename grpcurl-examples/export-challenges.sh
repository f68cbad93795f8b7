#!/bin/sh
# Streams all challenges as they are at one moment, by id.
set -eu
addr=${CATALOG_ADDR:-127.0.0.1:50051}

grpcurl -plaintext "$addr" challenges.admin.v1.ChallengesAdmin/ExportChallenges
