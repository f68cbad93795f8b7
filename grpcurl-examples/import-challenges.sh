#!/bin/sh
# Adds or changes several challenges, all of them or none; here in two messages. Long files: `challenges-catalog admin
# challenges import FILE`.
set -eu
addr=${CATALOG_ADDR:-127.0.0.1:50051}

grpcurl -plaintext -H 'x-caller-id: ann@example.org' -d @ \
  "$addr" challenges.admin.v1.ChallengesAdmin/ImportChallenges <<MESSAGES
{"options": {"mode": "IMPORT_MODE_UPSERT"}, "rows": [{"line": 1, "challenge": {
  "id": "00000000-0000-4000-8000-00000000beef", "difficulty": "DIFFICULTY_ADVANCED",
  "title": "Tell a story at dinner", "points": 50}}]}
{"rows": [{"line": 2, "challenge": {
  "id": "00000000-0000-4000-8000-00000000cafe", "difficulty": "DIFFICULTY_BEGINNER",
  "title": "Thank a bus driver", "points": 20}}]}
MESSAGES
