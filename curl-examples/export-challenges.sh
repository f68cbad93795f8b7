#!/bin/sh
# Writes out all challenges as at one moment, by their ids: a message with some of them a line.
set -eu
url=${CATALOG_URL:-http://127.0.0.1:8080}

curl --silent --show-error --fail-with-body "$url/v1/admin/challenges:export"
