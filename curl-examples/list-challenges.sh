#!/bin/sh
# Lists three of the beginners' challenges. `next_page_token` goes into page_token for those behind them.
set -eu
url=${CATALOG_URL:-http://127.0.0.1:8080}

curl --silent --show-error --fail-with-body "$url/v1/challenges?difficulty=beginner&page_size=3"
