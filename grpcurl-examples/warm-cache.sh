#!/bin/sh
# Loads the common queries, and one more, into the caches; a message for each step, the summary last.
set -eu
addr=${CATALOG_ADDR:-127.0.0.1:50051}

grpcurl -plaintext -d '{"queries": [{"difficulty": "DIFFICULTY_ADVANCED", "page_size": 10}]}' \
  "$addr" challenges.admin.v1.CacheAdmin/WarmCache
