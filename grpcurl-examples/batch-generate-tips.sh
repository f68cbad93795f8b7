#!/bin/sh
# Tells how many tips of beginners' challenges are missing, and the most that writing them may cost, in millionths of a US dollar.
# Without validate_only they are written: a message for each, the summary last.
set -eu
addr=${CATALOG_ADDR:-127.0.0.1:50051}

grpcurl -plaintext -d '{"difficulty": "DIFFICULTY_BEGINNER", "validate_only": true}' \
  "$addr" challenges.admin.v1.TipsAdmin/BatchGenerateTips
