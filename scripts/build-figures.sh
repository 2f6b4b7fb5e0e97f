#!/bin/sh
# Measures a cold build: modules are there, nothing is compiled. Prints seconds
# and the size of the static binary.
set -eu
GO=${GO:-go}
cache=$(mktemp -d)
trap 'chmod -R u+w "$cache"; rm -rf "$cache"' EXIT
"$GO" mod download
began=$(date +%s)
GOCACHE="$cache/cache" CGO_ENABLED=0 "$GO" build -trimpath -ldflags "-s -w" -o "$cache/callctl" ./cmd/callctl
ended=$(date +%s)
echo "cold build: $((ended - began)) s on $(nproc) cores; static binary: $(wc -c <"$cache/callctl") bytes"
