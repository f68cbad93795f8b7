#!/bin/sh
# Removes what update-flag.sh wrote: the flag stands as by default.
set -eu
url=${CATALOG_URL:-http://127.0.0.1:8080}

curl --silent --show-error --fail-with-body --json '{}' "$url/v1/admin/flags/ai_tips:reset"
