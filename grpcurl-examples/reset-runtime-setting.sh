#!/bin/sh
# Takes out a setting's row: what counts next holds again.
set -eu
addr=${CATALOG_ADDR:-127.0.0.1:50051}

grpcurl -plaintext -d '{"name": "cache_ttl_ms"}' \
  "$addr" challenges.admin.v1.RuntimeSettings/ResetRuntimeSetting
