#!/bin/sh
# Installs the programs that the tests use as real peers: SIPp, baresip, ip for
# the network namespace that baresip needs, and Chromium for the console. As root
# on Debian it installs what is missing; elsewhere it says what to install. Exits
# 0 when all are there.
set -eu

PATH=$PATH:/usr/sbin:/sbin # where Debian has ip
missing=""
need() { # command package
	command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}
need sipp sip-tester
need baresip baresip-core
need ip iproute2
need chromium chromium
need gcc "gcc libc6-dev"

if [ -z "$missing" ]; then
	exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
	export DEBIAN_FRONTEND=noninteractive
	log=$(mktemp)
	# shellcheck disable=SC2086 # one word a package
	if apt-get update -qq >"$log" 2>&1 && apt-get install -y -qq --no-install-recommends $missing >>"$log" 2>&1; then
		rm -f "$log"
		exit 0
	fi
	echo "peers: apt-get could not install:$missing" >&2
	tail -n 5 "$log" >&2
	rm -f "$log"
	exit 1
fi
echo "peers: please install these Debian packages, or what your system calls them:$missing" >&2
exit 1
