#!/bin/sh
# Tells how the caches of every replica do: version and lag, hits and misses by reason, latencies, Redis, database.
set -eu
addr=${CATALOG_ADDR:-127.0.0.1:50051}

grpcurl -plaintext -d '{"all_replicas": true}' \
  "$addr" challenges.admin.v1.CacheAdmin/GetCacheStatus
