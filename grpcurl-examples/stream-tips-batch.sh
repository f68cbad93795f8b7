#!/bin/sh
# Shows the tips of two challenges in one stream; each event names its challenge.
set -eu
addr=${CATALOG_ADDR:-127.0.0.1:50051}

# 1 to 50 different ids; these are seeds. Nothing is written for this call: what is there will do.
grpcurl -plaintext -d '{
    "challenge_ids": ["7368dad2-43a3-4359-95c9-2405f700f00e", "dea8d58f-6228-4995-a0c2-0321639298a4"],
    "mode": "TIP_MODE_CACHED_ONLY"
}' "$addr" challenges.catalog.v1.ChallengesCatalog/StreamTipsBatch
