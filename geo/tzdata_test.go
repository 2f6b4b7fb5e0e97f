package geo

import (
	"archive/zip"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestZone(t *testing.T) {
	loc, err := Zone("Asia/Singapore")
	require.NoError(t, err)
	require.Equal(t, "Asia/Singapore", loc.String())
	again, err := Zone("Asia/Singapore")
	require.NoError(t, err)
	require.Same(t, loc, again)
	for _, name := range []string{
		"", "Local", "asia/singapore", "Asia", "Asia/", "../Asia/Singapore", "/etc/localtime", "Mars/Olympus",
		versionFile, countriesFile, namesFile,
	} {
		_, err := Zone(name)
		require.ErrorIs(t, err, ErrZone, name)
	}
	for _, name := range zoneNames(t) {
		require.Equal(t, name, mustZone(t, name).String())
	}
}

func TestStandardTime(t *testing.T) {
	a, err := database()
	require.NoError(t, err)
	for name, hours := range map[string]int{
		"Europe/Berlin": 1, "Australia/Sydney": 10, "Asia/Singapore": 8, "Europe/Dublin": 0, "America/Santiago": -4,
	} {
		z, err := a.zone(name)
		require.NoError(t, err)
		require.Equal(t, hours*3600, z.standard, name)
	}
}

// TestZoneIgnoresTheSystem: neither ZONEINFO nor TZ changes what a zone is.
func TestZoneIgnoresTheSystem(t *testing.T) {
	t.Setenv("ZONEINFO", t.TempDir())
	t.Setenv("TZ", "Asia/Tokyo")
	a, err := openArchive()
	require.NoError(t, err)
	z, err := a.zone("America/Winnipeg")
	require.NoError(t, err)
	require.Equal(t, -5*3600, offset(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), z.loc), "since 2026e")
}

func offset(t time.Time, loc *time.Location) int {
	_, seconds := t.In(loc).Zone()
	return seconds
}

// TestTZDataVersion: the archive names its version, every zone of zone.tab is in
// it, and it holds what that version brought.
func TestTZDataVersion(t *testing.T) {
	require.Regexp(t, `^20[0-9]{2}[a-z]$`, TZData())
	a, err := database()
	require.NoError(t, err)
	for country, names := range a.countries {
		require.Len(t, country, 2)
		for _, name := range names {
			require.NotNil(t, mustZone(t, name))
		}
	}
	require.GreaterOrEqual(t, TZData(), "2026f")
	winter := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	for name, hours := range map[string]int{
		"America/Havana": -4, "America/Winnipeg": -5, "America/Edmonton": -6, "America/Inuvik": -6, "America/Vancouver": -7,
	} {
		require.Equal(t, hours*3600, offset(winter, mustZone(t, name)), "%s, as of 2026f", name)
	}
}

// TestTZDataIsNotOlderThanGo compares the archive with the copy that comes with the
// Go toolchain, where there is one: ours must not be older, and with the same
// version it must be the same. Zones that differ are those that changed in between.
func TestTZDataIsNotOlderThanGo(t *testing.T) {
	root := filepath.Join(runtime.GOROOT(), "lib", "time") //nolint:staticcheck // the toolchain that runs the test
	script, err := os.ReadFile(filepath.Join(root, "update.bash"))
	if err != nil {
		t.Skip("this toolchain has no time zone data of its own")
	}
	found := regexp.MustCompile(`(?m)^DATA=(\S+)$`).FindSubmatch(script)
	require.NotNil(t, found)
	version := string(found[1])
	require.GreaterOrEqual(t, TZData(), version, "run geo/tzdata/update.sh")

	theirs, err := zip.OpenReader(filepath.Join(root, "zoneinfo.zip"))
	require.NoError(t, err)
	defer func() { require.NoError(t, theirs.Close()) }()
	var differ []string
	for _, f := range theirs.File {
		if strings.HasSuffix(f.Name, "/") {
			continue
		}
		r, err := f.Open()
		require.NoError(t, err)
		raw, err := io.ReadAll(r)
		require.NoError(t, err)
		other, err := time.LoadLocationFromTZData(f.Name, raw)
		require.NoError(t, err)
		ours := mustZone(t, f.Name)
		begin := time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC)
		for day := range 7 * 366 {
			at := begin.AddDate(0, 0, day)
			if offset(at, ours) != offset(at, other) {
				require.Greater(t, TZData(), version, "%s differs although the version is the same", f.Name)
				differ = append(differ, f.Name+" since "+at.Format(time.DateOnly))
				break
			}
		}
	}
	for _, same := range []string{"UTC", "Asia/Singapore", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"} {
		require.NotContains(t, strings.Join(differ, " "), same+" ")
	}
	t.Logf("ours is %s, Go's is %s; they differ in %d zones: %s", TZData(), version, len(differ), strings.Join(differ, ", "))
}
