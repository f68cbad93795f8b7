#!/bin/sh
# Shows one feature flag with its row and its etag.
set -eu
addr=${CATALOG_ADDR:-127.0.0.1:50051}
name=${1:-ai_tips}

grpcurl -plaintext -d "{\"name\": \"$name\"}" \
  "$addr" challenges.admin.v1.FeatureFlags/GetFeatureFlag
