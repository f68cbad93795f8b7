#!/bin/sh
# Adds a challenge. With its request_id it can be run again for a day, and adds one challenge: the answer has the version
# of the first time.
set -eu
addr=${CATALOG_ADDR:-127.0.0.1:50051}

grpcurl -plaintext -H 'x-caller-id: ann@example.org' -d '{
    "challenge": {
      "id": "00000000-0000-4000-8000-00000000cafe",
      "difficulty": "DIFFICULTY_BEGINNER",
      "title": "Thank a bus driver",
      "description": "When you get off, look at the driver and say thank you.",
      "points": 10
    },
    "request_id": "thank-a-bus-driver"
  }' \
  "$addr" challenges.admin.v1.ChallengesAdmin/CreateChallenge
