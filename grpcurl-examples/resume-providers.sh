#!/bin/sh
# Makes all replicas send requests to the providers of tips again.
set -eu
addr=${CATALOG_ADDR:-127.0.0.1:50051}

grpcurl -plaintext -emit-defaults \
  "$addr" challenges.admin.v1.TipsAdmin/ResumeProviders
