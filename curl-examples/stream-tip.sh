#!/bin/sh
# Shows a tip as it is written, as server-sent events: accepted, pieces of text, and done with its source and its hash.
set -eu
url=${CATALOG_URL:-http://127.0.0.1:8080}
id=${1:-7368dad2-43a3-4359-95c9-2405f700f00e}

curl --silent --show-error --fail-with-body --no-buffer "$url/v1/challenges/$id/tip"

# On from where a stream was lost, with the id of its last event:
# curl --no-buffer --header 'Last-Event-ID: AX1C…' "$url/v1/challenges/$id/tip"
