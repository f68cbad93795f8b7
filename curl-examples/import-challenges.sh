#!/bin/sh
# Adds or changes several challenges, all of them or none: a message a line. A line that is wrong is named.
set -eu
url=${CATALOG_URL:-http://127.0.0.1:8080}

curl --silent --show-error --fail-with-body --header 'Content-Type: application/x-ndjson' \
  --header 'X-Caller-Id: ann@example.org' --data-binary @- "$url/v1/admin/challenges:import" <<LINES
{"options": {"mode": "IMPORT_MODE_UPSERT"}}
{"rows": [{"challenge": {"id": "00000000-0000-4000-8000-00000000beef", "difficulty": "DIFFICULTY_ADVANCED", "title": "Tell a story at dinner", "points": 50}}]}
{"rows": [{"challenge": {"id": "00000000-0000-4000-8000-00000000cafe", "difficulty": "DIFFICULTY_BEGINNER", "title": "Thank a bus driver", "points": 20}}]}
LINES
