#!/bin/sh
# Renews the embedded time zone data (zoneinfo.zip) from a directory that holds
# the IANA database in its text form: tzdata.zi, zone.tab and iso3166.tab.
#
#	geo/tzdata/update.sh [DIR]
#
# DIR is /usr/share/zoneinfo unless given. On Debian the newest is had without
# installing it:
#
#	apt-get download tzdata && dpkg-deb -x tzdata_*.deb new
#	geo/tzdata/update.sh new/usr/share/zoneinfo
#
# The version is the one that tzdata.zi names in its first line. Run the tests of
# geo afterwards: they compare the archive with its version and with Go's copy.
set -eu
from=$(cd "${1:-/usr/share/zoneinfo}" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

version=$(sed -n '1s/^# version //p' "$from/tzdata.zi")
[ -n "$version" ] || { echo "update.sh: $from/tzdata.zi names no version" >&2; exit 1; }
/usr/sbin/zic -b slim -d "$work/zoneinfo" "$from/tzdata.zi"
cp "$from/zone.tab" "$from/iso3166.tab" "$work/zoneinfo/"
printf '%s\n' "$version" >"$work/zoneinfo/version"
(cd "$here" && go run pack.go "$work/zoneinfo" zoneinfo.zip)
echo "time zone data $version"
