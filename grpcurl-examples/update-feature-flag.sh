#!/bin/sh
# Lets providers write tips for a tenth of the callers, always the same ones; on every replica within 2 s.
set -eu
addr=${CATALOG_ADDR:-127.0.0.1:50051}

grpcurl -plaintext -H 'x-caller-id: ann' \
  -d '{"name": "ai_tips", "enabled": true, "rollout_percentage": 10, "comment": "carefully"}' \
  "$addr" challenges.admin.v1.FeatureFlags/UpdateFeatureFlag

# Refuse all calls to the catalog, but only while nobody else changed the flag since:
# grpcurl -plaintext -d '{"name": "challenges_catalog", "enabled": false, "etag": "W/\"47DEQpj8HBQ\""}' \
#   "$addr" challenges.admin.v1.FeatureFlags/UpdateFeatureFlag
