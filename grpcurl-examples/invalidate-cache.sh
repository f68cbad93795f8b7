#!/bin/sh
# Declares the beginner lists out of date in the whole fleet, and waits for the receipt: which replicas have
# applied it, and which are fenced (cannot call an old copy fresh any more); and, with --edge-purge, which edge caches
# are proven to show it.
set -eu
addr=${CATALOG_ADDR:-127.0.0.1:50051}

grpcurl -plaintext -d '{"tag": "difficulty:beginner"}' \
  "$addr" challenges.admin.v1.CacheAdmin/InvalidateCache

# Only count what it would hit:
# grpcurl -plaintext -d '{"all": true, "validate_only": true}' "$addr" challenges.admin.v1.CacheAdmin/InvalidateCache
# Some challenges, and never again a copy from before, not even while the database is gone:
# grpcurl -plaintext -d '{"challenges": {"ids": ["7368dad2-43a3-4359-95c9-2405f700f00e"]}, "hard": true}' \
#   "$addr" challenges.admin.v1.CacheAdmin/InvalidateCache
