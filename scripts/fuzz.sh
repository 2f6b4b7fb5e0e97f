#!/bin/sh
# Runs every fuzz target of the module for FUZZ_TIME, one after the other.
set -eu
GO=${GO:-go}

"$GO" list -f '{{.Dir}}' ./... | while read -r dir; do
	grep -hos '^func Fuzz[A-Za-z0-9_]*' "$dir"/*_test.go | sed 's/^func //' | while read -r target; do
		echo "== $dir $target"
		(cd "$dir" && "$GO" test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZ_TIME:-10s}" -fuzzminimizetime 1s .)
	done
done
