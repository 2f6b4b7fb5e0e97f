#!/bin/sh
# Runs all tests with the race detector. With the real peers installed the tests
# that need them must run (CALLCTL_PEERS=required); without, they are skipped and
# this script says so.
set -eu
GO=${GO:-go}

if sh scripts/peers.sh; then
	CALLCTL_PEERS=required
else
	CALLCTL_PEERS=""
	echo "test: the tests against SIPp, baresip and Chromium are SKIPPED" >&2
fi
export CALLCTL_PEERS

if ! command -v gcc >/dev/null 2>&1 && ! command -v "${CC:-cc}" >/dev/null 2>&1; then
	echo "test: the race detector needs a C compiler: install gcc" >&2
	exit 1
fi
export CGO_ENABLED=1
exec "$GO" test -race -timeout "${TEST_TIMEOUT:-10m}" ./...
