package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

const (
	commandsToken    = "0123456789abcdef-ops"
	commandsBusiness = "+4930901820"
	commandsUser     = "+6591234567"
	commandsStrict   = "+6531234567" // an account whose pack asks for two persons
	commandsSecret   = "0123456789abcdef-app"
)

// startDaemon runs a daemon with one Meta account whose Graph API nobody serves,
// and returns its API address and data folder.
func startDaemon(t *testing.T) (api, dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "data")
	cfg := defaultConfig()
	cfg.DataDir = dir
	cfg.HTTP = HTTPConfig{Listen: "127.0.0.1:0", Admin: "127.0.0.1:0"}
	cfg.Tokens = []TokenConfig{
		{Name: "ops", Token: commandsToken, Scopes: []string{"admin"}},
		{Name: "second", Token: "0123456789abcdef-second", Scopes: []string{"admin"}},
		{Name: "viewer", Token: "0123456789abcdef-viewer", Scopes: []string{"read"}},
	}
	cfg.Accounts = []AccountConfig{{
		Name: "acme", Provider: providerMeta, BusinessNumber: commandsBusiness, Rules: rulesMeta,
		Webhook:  WebhookConfig{AppSecret: commandsSecret, VerifyToken: "0123456789abcdef-verify"},
		API:      APIConfig{BaseURL: "http://127.0.0.1:1", Token: "t", PhoneNumberID: "106540352242922"},
		Calling:  CallingConfig{Agent: "1001"},
		Template: TemplateConfig{Name: "may_we_call"},
	}}
	cfg.Accounts = append(cfg.Accounts, AccountConfig{
		Name: "apac", Provider: provider8x8, BusinessNumber: commandsStrict, Rules: rules8x8Strict,
		Webhook: WebhookConfig{Authorization: "Basic 0123456789abcdef"},
		API:     APIConfig{BaseURL: "http://127.0.0.1:1", Key: "k", Subaccount: "acme_wa", Channel: "269a0000-0000-4000-8000-000000000000"},
	})
	for i := range cfg.Accounts {
		cfg.Accounts[i].setDefaults()
	}
	cfg.Trunks = []TrunkConfig{{Name: "main", URI: "sip:127.0.0.1:1", Codecs: defaultCodecs()}}
	cfg.SIP.Listen = []string{"udp://127.0.0.1:0", "tcp://127.0.0.1:0"}
	cfg.Media = MediaConfig{Bind: "127.0.0.1", RTPPorts: "0-0"}

	ctx, stop := context.WithCancel(t.Context())
	d, err := newDaemon(ctx, cfg, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-done)
		require.NoError(t, d.close())
	})
	return "http://" + d.api.Addr().String(), dir
}

// caller runs commands against one daemon.
type caller struct {
	*testing.T

	api   string
	token string
}

// run demands the exit code and returns what was printed.
func (c caller) run(code int, args ...string) (out, errOut string) {
	c.Helper()
	var o, e bytes.Buffer
	args = append(args, "--url", c.api, "--token", c.token)
	got := run(c.Context(), args, nil, &o, &e)
	require.Equal(c, code, got, "callctl %s\n%s%s", strings.Join(args, " "), o.String(), e.String())
	return o.String(), e.String()
}

// decode runs a command that prints JSON.
func (c caller) decode(v any, code int, args ...string) {
	c.Helper()
	out, _ := c.run(code, args...)
	require.NoError(c, json.Unmarshal([]byte(out), v), out)
}

func TestCommands(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	t.Run("against a daemon", func(t *testing.T) {
		api, dir := startDaemon(t)
		c := caller{t, api, commandsToken}
		t.Run("permissions", c.permissions)
		t.Run("changes", c.changes)
		t.Run("do not call", c.doNotCall)
		t.Run("callbacks and calls", c.calls)
		t.Run("audit", c.audit)
		t.Run("evidence", func(t *testing.T) { caller{t, api, commandsToken}.evidence(dir) })
		t.Run("numbers", c.numbers)
		t.Run("deliveries", c.deliveries)
		t.Run("import", c.imports)
		t.Run("refusals", c.refusals)
	})
}

func (c caller) permissions(t *testing.T) {
	c.T = t
	out, errOut := c.run(exitFailed, "check", "--business", commandsBusiness, "--user", commandsUser, "-o", "table")
	require.Regexp(t, `(?m)^reason +no_permission$`, out)
	require.Regexp(t, `(?m)^permission +no +no_permission`, out)
	require.NotContains(t, errOut, "callctl:", "the answer has said it")

	_, errOut = c.run(exitFailed, "permissions", "request", commandsBusiness, commandsUser, "--purpose", "support")
	require.Contains(t, errOut, "failed: provider_failed: ")

	var list []struct{ User, Status string }
	c.decode(&list, exitDone, "permissions", "list")
	require.Len(t, list, 1)
	require.Equal(t, commandsUser, list[0].User)
	require.Equal(t, "no_permission", list[0].Status)

	out, _ = c.run(exitDone, "permissions", "show", commandsBusiness, commandsUser, "-o", "table")
	require.Regexp(t, `(?m)^start_call +no +no_permission`, out)
	out, _ = c.run(exitDone, "permissions", "events", commandsBusiness, commandsUser, "-o", "csv")
	require.Regexp(t, `(?m)^at,kind,auth,`, out)
	require.Contains(t, out, ",requested,")
}

func (c caller) doNotCall(t *testing.T) {
	c.T = t
	c.run(exitDone, "dnc", "add", commandsUser, "--reason", "asked by phone")
	out, _ := c.run(exitDone, "dnc", "list", "-o", "csv")
	require.Contains(t, out, "\n"+commandsUser+",")
	out, _ = c.run(exitDone, "dnc", "list", "-o", "jsonl")
	require.Equal(t, 1, strings.Count(out, "\n"))
	var entry struct{ Actor, Reason string }
	c.decode(&entry, exitDone, "dnc", "show", commandsUser)
	require.Equal(t, "ops", entry.Actor)
	require.Equal(t, "asked by phone", entry.Reason)
}

func (c caller) calls(t *testing.T) {
	c.T = t
	for _, args := range [][]string{
		{"callbacks", "add", commandsBusiness, commandsUser, "--agent", "1001"},
		{"calls", "place", commandsBusiness, commandsUser, "--agent", "1001"},
	} {
		_, errOut := c.run(exitFailed, args...)
		require.Contains(t, errOut, "refused: do_not_call: ")
	}
	out, _ := c.run(exitDone, "calls", "list")
	require.Equal(t, "[]\n", out)
	out, _ = c.run(exitDone, "callbacks", "list", "-o", "table")
	require.Regexp(t, `^ID +STATE +REASON`, out)
	for _, args := range [][]string{{"callbacks", "show"}, {"callbacks", "cancel"}, {"calls", "show"}, {"calls", "hangup"}} {
		_, errOut := c.run(exitFailed, append(args, "no/such")...)
		require.Contains(t, errOut, "refused: not_found: ")
	}
	_, errOut := c.run(exitDone, "dnc", "remove", commandsUser, "--reason", "a mistake")
	require.Contains(t, errOut, "a second person has to approve", "one of the packs asks for two")
	c.run(exitDone, "dnc", "show", commandsUser)
	c.approve()
	c.run(exitFailed, "dnc", "show", commandsUser)
}

func (c caller) audit(t *testing.T) {
	c.T = t
	var entries []struct {
		Index int64
		Kind  string
	}
	c.decode(&entries, exitDone, "audit", "tail", "-n", "1000")
	require.Greater(t, len(entries), 4)
	for i, e := range entries {
		require.Equal(t, int64(i), e.Index)
	}
	c.decode(&entries, exitDone, "audit", "tail", "-n", "2")
	require.Len(t, entries, 2)
	c.decode(&entries, exitDone, "audit", "tail", "-n", "1000", "--kind", "dnc.added")
	require.Len(t, entries, 1)

	note, _ := c.run(exitDone, "audit", "checkpoint", "-o", "table")
	require.True(t, strings.HasPrefix(note, "callctl\n"), note)
	require.Contains(t, note, "\n— callctl ")

	var p proven
	c.decode(&p, exitDone, "audit", "prove", "0")
	require.Equal(t, int64(0), p.Index)
	require.NotEmpty(t, p.Hashes)
	_, errOut := c.run(exitFailed, "audit", "prove", "0", "--key", strings.Replace(p.VerifierKey, "callctl+", "other+", 1))
	require.NotEmpty(t, errOut)
	c.run(exitFailed, "audit", "prove", "999")
}

func (c caller) evidence(dir string) {
	t, folder := c.T, c.TempDir()
	pack := filepath.Join(folder, "pack.zip")
	out, _ := c.run(exitDone, "export", "--user", commandsUser, "--file", pack, "-o", "table")
	require.Contains(t, out, pack)
	left, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Len(t, left, 1, "nothing half-written stays")
	stat, err := os.Stat(pack)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), stat.Mode())

	out, _ = c.run(exitDone, "verify", pack, "-o", "table")
	require.Contains(t, out, "verified: ")
	whole, err := os.ReadFile(pack)
	require.NoError(t, err)
	for i := 0; i < len(whole); i += 997 {
		altered := bytes.Clone(whole)
		altered[i] ^= 1
		require.NoError(t, os.WriteFile(pack, altered, 0o600))
		_, errOut := c.run(exitFailed, "verify", pack)
		require.Contains(t, errOut, "does not hold: ", "byte %d", i)
	}

	var found struct{ Entries, Payloads int64 }
	c.decode(&found, exitDone, "audit", "verify", filepath.Join(dir, "callctl.db"))
	require.Positive(t, found.Entries)
	require.Equal(t, found.Entries, found.Payloads)
}

func (c caller) refusals(t *testing.T) {
	c.T = t
	_, errOut := c.run(exitUsage, "check", "--business", "12", "--user", commandsUser)
	require.Contains(t, errOut, "body.business: ")
	_, errOut = c.run(exitFailed, "export", "--user", "+4915112345678")
	require.Contains(t, errOut, "refused: not_found: ")
	c.token = "0123456789abcdef-viewer"
	_, errOut = c.run(exitFailed, "dnc", "add", commandsUser, "--reason", "x")
	require.Contains(t, errOut, "refused: scope_missing: ")
	c.token = "wrong"
	_, errOut = c.run(exitFailed, "dnc", "list")
	require.Contains(t, errOut, "refused: unauthenticated: ")
	require.Contains(t, errOut, "hint: give the API token")
	require.NotContains(t, errOut, "wrong")
}
