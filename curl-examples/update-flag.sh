#!/bin/sh
# Has tips written for a tenth of the callers. Where there is an access file, a token of an operator goes with it:
# --header "Authorization: Bearer $token"
set -eu
url=${CATALOG_URL:-http://127.0.0.1:8080}

curl --silent --show-error --fail-with-body --request PATCH --header 'X-Caller-Id: ann@example.org' \
  --json '{"rollout_percentage": 10, "comment": "a trial"}' "$url/v1/admin/flags/ai_tips"
