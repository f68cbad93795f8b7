#!/bin/sh
# Shows three challenges, in the order asked for. One unknown id fails the call and is named.
set -eu
addr=${CATALOG_ADDR:-127.0.0.1:50051}

# 1 to 100 different ids; these are seeds, the hardest first.
grpcurl -plaintext -d '{
    "ids": [
        "2934b37a-6948-4f13-8840-217bd10b364c",
        "dea8d58f-6228-4995-a0c2-0321639298a4",
        "7368dad2-43a3-4359-95c9-2405f700f00e"
    ]
}' "$addr" challenges.catalog.v1.ChallengesCatalog/BatchGetChallenges
