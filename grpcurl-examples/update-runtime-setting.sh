#!/bin/sh
# Keeps answers that are loaded from now on for a minute; on every replica within 2 s.
set -eu
addr=${CATALOG_ADDR:-127.0.0.1:50051}

grpcurl -plaintext -d '{"name": "cache_ttl_ms", "value": 60000}' \
  "$addr" challenges.admin.v1.RuntimeSettings/UpdateRuntimeSetting
