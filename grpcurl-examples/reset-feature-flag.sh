#!/bin/sh
# Takes out a flag's row: what the replicas were started with holds again.
set -eu
addr=${CATALOG_ADDR:-127.0.0.1:50051}

grpcurl -plaintext -d '{"name": "ai_tips"}' \
  "$addr" challenges.admin.v1.FeatureFlags/ResetFeatureFlag
