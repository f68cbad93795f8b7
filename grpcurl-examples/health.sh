#!/bin/sh
# Says whether this replica serves: SERVING, or NOT_SERVING before it is warm and while it drains.
set -eu
addr=${CATALOG_ADDR:-127.0.0.1:50051}

grpcurl -plaintext "$addr" grpc.health.v1.Health/Check

# Every name, such as dependency/redis and feature/ai_tips:
# grpcurl -plaintext "$addr" grpc.health.v1.Health/List

# As it changes, until Ctrl-C:
# grpcurl -plaintext "$addr" grpc.health.v1.Health/Watch
