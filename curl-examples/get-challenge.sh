#!/bin/sh
# Shows one challenge by its id. One that is missing is 404, with a problem that says so.
set -eu
url=${CATALOG_URL:-http://127.0.0.1:8080}
id=${1:-7368dad2-43a3-4359-95c9-2405f700f00e}

curl --silent --show-error --fail-with-body "$url/v1/challenges/$id"
