#!/bin/sh
# Tells every setting that may be changed while the service runs, with its range.
set -eu
addr=${CATALOG_ADDR:-127.0.0.1:50051}

grpcurl -plaintext "$addr" challenges.admin.v1.RuntimeSettings/ListRuntimeSettings
