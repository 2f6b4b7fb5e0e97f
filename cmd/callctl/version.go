package main

import (
	"context"
	"runtime"
	"runtime/debug"
	"strings"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/callctl/callctl/geo"
	"github.com/callctl/callctl/permissions"
)

// version is set by the linker for releases: -X main.version=v0.1.0.
var version = ""

// versionCmd is `callctl version`.
type versionCmd struct{}

// Run prints what this binary is made of.
func (versionCmd) Run(_ context.Context, t *terminal) error {
	v := versionOf()
	return t.object(v, []column{
		{"callctl", "version"},
		{"commit", "commit"},
		{"built at", "commitTime"},
		{"Go", "go"},
		{"SQLite", "sqlite"},
		{"platform", "platform"},
		{"rule packs", "rulePacks"},
		{"geography", "geography"},
		{"time zones", "tzdata"},
	})
}

// versionOf says what this binary is made of. Every value comes from the build
// or from the embedded data, none is typed in here.
func versionOf() map[string]string {
	v := map[string]string{
		"version":   version,
		"go":        runtime.Version(),
		"platform":  runtime.GOOS + "/" + runtime.GOARCH,
		"sqlite":    sqlite3.SQLITE_VERSION,
		"rulePacks": rulePacks(),
		"geography": geography(),
		"tzdata":    geo.TZData(),
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

// rulePacks are the rule packs that decisions of this binary can cite.
func rulePacks() string {
	list, err := permissions.PackVersions()
	if err != nil {
		return ""
	}
	return strings.Join(list, " ")
}

// geography is the version of the dated lists of where calling exists.
func geography() string {
	rules, err := geo.Load()
	if err != nil {
		return ""
	}
	return rules.Version()
}
