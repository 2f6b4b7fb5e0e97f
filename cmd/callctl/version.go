package main

import (
	"context"
	"database/sql"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	_ "modernc.org/sqlite" // asked for its version

	"github.com/callctl/callctl/geo"
)

// version is set by the linker for releases: -X main.version=v0.1.0.
var version = "" //nolint:gochecknoglobals // the linker can set only a package variable

// versionCmd is `callctl version`.
type versionCmd struct{}

// Run prints what this binary is made of.
func (versionCmd) Run(_ context.Context, t *terminal) error {
	v := versionOf()
	return t.object(v, []column{
		{"callctl", "version"}, {"commit", "commit"}, {"built at", "commitTime"}, {"Go", "go"}, {"SQLite", "sqlite"},
		{"platform", "platform"}, {"geography", "geography"}, {"time zones", "tzdata"},
	})
}

// versionOf says what this binary is made of. Every value comes from the build
// or from the embedded data, none is typed in here.
func versionOf() map[string]string {
	v := map[string]string{
		"version":   version,
		"go":        runtime.Version(),
		"platform":  runtime.GOOS + "/" + runtime.GOARCH,
		"sqlite":    sqliteVersion(),
		"geography": geography(),
		"tzdata":    zoneSource(),
	}
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if v["version"] == "" {
		v["version"] = build.Main.Version
	}
	for _, s := range build.Settings {
		switch s.Key {
		case "vcs.revision":
			v["commit"] = s.Value
		case "vcs.time":
			v["commitTime"] = s.Value
		case "vcs.modified":
			v["modified"] = s.Value
		}
	}
	return v
}

// zoneSource says where time zones come from: a file of the system, or nothing
// but UTC, which callctl reports rather than hides.
func zoneSource() string {
	if dir := os.Getenv("ZONEINFO"); dir != "" {
		return dir
	}
	if _, err := time.LoadLocation("Asia/Singapore"); err != nil {
		return "none"
	}
	return "system"
}

// sqliteVersion asks the library that is linked in.
func sqliteVersion() string {
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		return ""
	}
	defer db.Close()
	var v string
	if err := db.QueryRowContext(context.Background(), "SELECT sqlite_version()").Scan(&v); err != nil {
		return ""
	}
	return v
}

// geography is the version of the dated lists of where calling exists.
func geography() string {
	rules, err := geo.Load()
	if err != nil {
		return ""
	}
	return rules.Version()
}
