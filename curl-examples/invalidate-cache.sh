#!/bin/sh
# Declares the beginner lists out of date in the whole fleet, and waits for the receipt.
set -eu
url=${CATALOG_URL:-http://127.0.0.1:8080}

curl --silent --show-error --fail-with-body --json '{"tag": "difficulty:beginner"}' \
  "$url/v1/admin/cache:invalidate"
