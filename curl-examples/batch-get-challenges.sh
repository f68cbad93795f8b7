#!/bin/sh
# Shows several challenges in the order asked for: 1 to 100 different ids, with commas or by repeated names.
set -eu
url=${CATALOG_URL:-http://127.0.0.1:8080}

curl --silent --show-error --fail-with-body \
  "$url/v1/challenges:batchGet?ids=dea8d58f-6228-4995-a0c2-0321639298a4,7368dad2-43a3-4359-95c9-2405f700f00e"
