#!/bin/sh
# Tells how every feature flag stands on this replica, and who decided it.
set -eu
addr=${CATALOG_ADDR:-127.0.0.1:50051}

grpcurl -plaintext "$addr" challenges.admin.v1.FeatureFlags/ListFeatureFlags
