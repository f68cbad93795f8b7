#!/bin/sh
# Lists the second page of five challenges: next_page_token of one answer asks for the next.
set -eu
addr=${CATALOG_ADDR:-127.0.0.1:50051}
method=challenges.catalog.v1.ChallengesCatalog/ListChallenges

first=$(grpcurl -plaintext -d '{"page_size": 5}' "$addr" "$method")
token=$(printf '%s\n' "$first" | sed -n 's/^ *"nextPageToken": "\([^"]*\)".*/\1/p')
if [ -z "$token" ]; then
    echo 'The first page is the last one: there is no next_page_token.' >&2
    exit 1
fi

# The other arguments must be those of the first page.
grpcurl -plaintext -d "{\"page_size\": 5, \"page_token\": \"$token\"}" "$addr" "$method"
