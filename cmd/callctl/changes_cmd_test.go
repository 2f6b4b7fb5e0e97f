package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// approve lets the one pending change take effect, by the second token.
func (c caller) approve() {
	c.Helper()
	var pending []struct{ ID, ProposedBy string }
	c.decode(&pending, exitDone, "approvals", "list")
	require.Len(c, pending, 1)
	require.Equal(c, "ops", pending[0].ProposedBy)
	_, errOut := c.run(exitFailed, "approvals", "approve", pending[0].ID)
	require.Contains(c, errOut, "refused: second_person_needed: ")
	c.token = "0123456789abcdef-second"
	var a struct{ State, DecidedBy string }
	c.decode(&a, exitDone, "approvals", "approve", pending[0].ID)
	require.Equal(c, "approved", a.State)
	require.Equal(c, "second", a.DecidedBy)
}

func (c caller) changes(t *testing.T) {
	c.T = t
	const user = "+6591234568"
	later := time.Now().Add(12 * time.Hour).UTC().Format(time.RFC3339)
	_, errOut := c.run(exitUsage, "permissions", "grant", commandsStrict, user, "--reason", "signed form")
	require.Contains(t, errOut, "--expires or --permanent")
	c.run(exitUsage, "permissions", "grant", commandsStrict, user, "--expires", later)
	c.run(exitUsage, "permissions", "grant", commandsStrict, user, "--reason", "r", "--expires", later, "--permanent")

	var p struct {
		Status, GrantAuth string
		Verified          bool
	}
	c.decode(&p, exitDone, "permissions", "grant", commandsBusiness, user, "--reason", "signed form", "--expires", later)
	require.Equal(t, "temporary", p.Status)
	require.Equal(t, "operator", p.GrantAuth)
	require.False(t, p.Verified)

	out, errOut := c.run(exitDone, "permissions", "grant", commandsStrict, user, "--reason", "signed form", "--expires", later, "--evidence", "ticket 4711", "-o", "table")
	require.Contains(t, errOut, "nothing has changed yet")
	require.Regexp(t, `(?m)^state +pending$`, out)
	require.Regexp(t, `(?m)^evidence +ticket 4711$`, out)
	c.approve()
	c.decode(&p, exitDone, "permissions", "show", commandsStrict, user)
	require.Equal(t, "temporary", p.Status)

	c.run(exitDone, "permissions", "grant", commandsStrict, user, "--reason", "again", "--expires", later)
	var pending []struct{ ID string }
	c.decode(&pending, exitDone, "approvals", "list")
	c.run(exitUsage, "approvals", "reject", pending[0].ID)
	var a struct{ State string }
	c.decode(&a, exitDone, "approvals", "reject", pending[0].ID, "--reason", "a mistake")
	require.Equal(t, "rejected", a.State)
	c.decode(&a, exitDone, "approvals", "show", pending[0].ID)
	require.Equal(t, "rejected", a.State)
	out, _ = c.run(exitDone, "approvals", "list", "--all", "-o", "csv")
	require.Equal(t, 3, strings.Count(out, "\n"), out)

	c.decode(&p, exitDone, "permissions", "revoke", commandsStrict, user, "--reason", "asked by phone")
	require.Equal(t, "no_permission", p.Status)
	out, _ = c.run(exitDone, "permissions", "zone", user, "America/New_York", "--reason", "said so")
	require.Empty(t, out)
	_, errOut = c.run(exitUsage, "permissions", "zone", user, "Mars/Olympus", "--reason", "r")
	require.Contains(t, errOut, "body.zone: ")
	_, errOut = c.run(exitFailed, "permissions", "read-back", commandsStrict, user)
	require.Contains(t, errOut, "failed: provider_failed: ")
	_, errOut = c.run(exitFailed, "permissions", "resume", commandsStrict, user, "--reason", "r")
	require.Contains(t, errOut, "refused: not_found: ")

	out, _ = c.run(exitFailed, "check", "--business", commandsStrict, "--user", user, "--at", later, "-o", "table")
	require.Regexp(t, `(?m)^reason +permission_revoked$`, out)
	require.Regexp(t, `(?m)^rule pack +8x8-strict@`, out)
	require.Regexp(t, `(?m)^time zones +20`, out)
	require.Regexp(t, `(?m)^RULE +ALLOWS +REASON +ALLOWS FROM +ALLOWS UNTIL +INPUTS +SOURCE$`, out)
	require.Regexp(t, `(?m)^quiet_hours +`, out)
	out, _ = c.run(exitDone, "permissions", "events", commandsStrict, user, "-o", "table", "--limit", "1")
	require.Equal(t, 2, strings.Count(out, "\n"), out)
}

func (c caller) numbers(t *testing.T) {
	c.T = t
	var list []struct{ Business, Account, Provider string }
	c.decode(&list, exitDone, "numbers", "list")
	require.Len(t, list, 2)
	until := time.Now().Add(time.Hour).Unix()
	c.deliver(http.StatusOK, fmt.Appendf(nil, `{"object":"whatsapp_business_account","entry":[{"id":"102290129340398","changes":[{"field":"account_update","value":
{"phone_number":%q,"event":"ACCOUNT_RESTRICTION","restriction_info":[{"restriction_type":"RESTRICTED_BUSINESS_INITIATED_CALLING","expiration":%d}]}}]}]}`,
		commandsBusiness[1:], until))
	out, _ := c.run(exitDone, "numbers", "show", commandsBusiness, "-o", "table")
	require.Contains(t, out, "\nrestrictions:\n")
	require.Regexp(t, `(?m)^RESTRICTED_BUSINESS_INITIATED_CALLING +`, out)
	require.NotContains(t, out, "drift")
	out, _ = c.run(exitDone, "numbers", "list", "-o", "table")
	require.Regexp(t, `(?m)^\+4930901820 +acme +meta +RESTRICTED_BUSINESS_INITIATED_CALLING`, out)
	out, _ = c.run(exitDone, "numbers", "notices", commandsBusiness, "-o", "csv")
	require.Contains(t, out, ",restriction,")
	c.run(exitFailed, "numbers", "show", "+6539999999")
	var run struct{ State, StartedBy string }
	c.decode(&run, exitDone, "numbers", "reconcile", commandsStrict)
	require.Equal(t, "done", run.State)
	require.Equal(t, "ops", run.StartedBy)
	out, _ = c.run(exitFailed, "check", "--business", commandsBusiness, "--user", "+6591234568", "-o", "table")
	require.Regexp(t, `(?m)^business_restricted +no +business_restricted`, out)
}

// deliver sends a webhook to the daemon's Meta account.
func (c caller) deliver(status int, body []byte) {
	c.Helper()
	m := hmac.New(sha256.New, []byte(commandsSecret))
	_, _ = m.Write(body)
	req, err := http.NewRequestWithContext(c.Context(), http.MethodPost, c.api+"/webhooks/meta/acme", bytes.NewReader(body))
	require.NoError(c, err)
	req.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(m.Sum(nil)))
	res, err := http.DefaultClient.Do(req)
	require.NoError(c, err)
	require.NoError(c, res.Body.Close())
	require.Equal(c, status, res.StatusCode)
	http.DefaultClient.CloseIdleConnections()
}

func (c caller) deliveries(t *testing.T) {
	c.T = t
	c.deliver(http.StatusBadRequest, []byte(`{"half`))
	c.deliver(http.StatusOK, []byte(`{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"flows","value":{"event":"X"}}]}]}`))
	var list []struct {
		ID    int64
		State string
	}
	c.decode(&list, exitDone, "deliveries", "list", "--state", "malformed")
	require.Len(t, list, 1)
	id := strconv.FormatInt(list[0].ID, 10)
	out, _ := c.run(exitDone, "deliveries", "show", id, "-o", "table")
	require.Contains(t, out, "\n{\"half\n")
	out, _ = c.run(exitFailed, "deliveries", "replay", id, "-o", "table")
	require.Regexp(t, `(?m)^state +malformed$`, out, "it is still none")
	c.decode(&list, exitDone, "deliveries", "list", "--state", "unknown", "--account", "acme")
	require.Len(t, list, 1)
	c.decode(&list, exitDone, "deliveries", "list", "--account", "apac")
	require.Empty(t, list)
	c.run(exitUsage, "deliveries", "list", "--state", "lost")
	_, errOut := c.run(exitFailed, "deliveries", "show", "999")
	require.Contains(t, errOut, "refused: not_found: ")
	c.run(exitUsage, "deliveries", "show", "first")
}

// imports takes a list in; with a line that cannot be read nothing of it counts.
func (c caller) imports(t *testing.T) {
	c.T = t
	file := filepath.Join(t.TempDir(), "list.csv")
	require.NoError(t, os.WriteFile(file, []byte("user,reason\n+6581234567,by letter\n+658123x,\n"), 0o600))
	out, errOut := c.run(exitFailed, "dnc", "import", file, "--reason", "a list", "-o", "table")
	require.Contains(t, errOut, "refused: import_refused: ")
	require.Regexp(t, `(?m)^3 +user +number_characters +`, out)
	c.run(exitFailed, "dnc", "show", "+6581234567")

	require.NoError(t, os.WriteFile(file, []byte("user,reason\n+6581234567,by letter\n+6581234568,\n"), 0o600))
	var r struct {
		State       string
		Rows, Added int
	}
	c.decode(&r, exitDone, "dnc", "import", file, "--reason", "a list", "--dry-run")
	require.Equal(t, "checked", r.State)
	c.run(exitFailed, "dnc", "show", "+6581234567")
	c.decode(&r, exitDone, "dnc", "import", file, "--reason", "a list")
	require.Equal(t, "applied", r.State)
	require.Equal(t, 2, r.Added)
	var entry struct{ Source, Actor, Reason string }
	c.decode(&entry, exitDone, "dnc", "show", "+6581234567")
	require.Equal(t, "import", entry.Source)
	require.Equal(t, "ops", entry.Actor)
	require.Equal(t, "by letter", entry.Reason)
}

// TestImportWaits follows an import until it is applied.
func TestImportWaits(t *testing.T) {
	var kind, list, query string
	looks := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			state := "applying"
			if looks++; looks == 2 {
				state = "applied"
			}
			fmt.Fprintf(w, `{"id":"i1","state":%q,"rows":2,"added":2}`, state)
			return
		}
		b, _ := io.ReadAll(r.Body)
		kind, list, query = r.Header.Get("Content-Type"), string(b), r.URL.RawQuery
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprint(w, `{"id":"i1","state":"applying","rows":2}`)
	}))
	defer s.Close()
	file := filepath.Join(t.TempDir(), "list.csv")
	require.NoError(t, os.WriteFile(file, []byte("user\n+6591234567\n"), 0o600))
	var out bytes.Buffer
	require.Equal(t, exitDone, run(t.Context(), []string{"dnc", "import", file, "--reason", "a list", "--url", s.URL, "-o", "table"}, nil, &out, io.Discard))
	require.Regexp(t, `(?m)^state +applied$`, out.String())
	require.Equal(t, "text/csv", kind)
	require.Equal(t, "user\n+6591234567\n", list)
	require.Equal(t, "reason=a+list", query)
	require.Equal(t, 2, looks)
	out.Reset()
	require.Equal(t, exitDone, run(t.Context(), []string{"dnc", "import", file, "--reason", "a list", "--dry-run", "--no-wait", "--url", s.URL}, nil, &out, io.Discard))
	require.Equal(t, "dryRun=true&reason=a+list", query)
	require.Equal(t, exitUsage, run(t.Context(), []string{"dnc", "import", file + "x", "--reason", "r", "--url", s.URL}, nil, &out, io.Discard))
}

// TestImportRefused shows every fault and exits 1: the list is wrong, not the
// command line.
func TestImportRefused(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusUnprocessableEntity)
		fmt.Fprint(w, `{"status":422,"reason":"import_refused","detail":"1 of the list's lines cannot be read, so nothing was applied.",
"import":{"state":"refused","rows":2,"faults":1,"errors":[{"line":3,"column":"user","reason":"number_too_short","hint":"write it with its country code"}]}}`)
	}))
	defer s.Close()
	file := filepath.Join(t.TempDir(), "list.csv")
	require.NoError(t, os.WriteFile(file, []byte("user\n"), 0o600))
	var out, errOut bytes.Buffer
	args := []string{"dnc", "import", file, "--reason", "r", "--url", s.URL, "-o"}
	require.Equal(t, exitFailed, run(t.Context(), append(args, "table"), nil, &out, &errOut))
	require.Regexp(t, `(?m)^3 +user +number_too_short +write it`, out.String())
	require.Equal(t, "refused: import_refused: 1 of the list's lines cannot be read, so nothing was applied.\n", errOut.String())
	out.Reset()
	require.Equal(t, exitFailed, run(t.Context(), append(args, "json"), nil, &out, io.Discard))
	var report struct{ Faults int }
	require.NoError(t, json.Unmarshal(out.Bytes(), &report))
	require.Equal(t, 1, report.Faults)
}

// TestReconcileWaits follows a run; pairs that could not be read make it fail.
func TestReconcileWaits(t *testing.T) {
	failed := 0
	looks := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			w.WriteHeader(http.StatusAccepted)
			fmt.Fprint(w, `{"state":"running"}`)
			return
		}
		state := "running"
		if looks++; looks%2 == 0 {
			state = "done"
		}
		fmt.Fprintf(w, `{"business":"+6531234567","reconcile":{"state":%q,"asked":5,"failed":%d}}`, state, failed)
	}))
	defer s.Close()
	for want, n := range map[int]int{exitDone: 0, exitFailed: 2} {
		failed = n
		var out bytes.Buffer
		require.Equal(t, want, run(t.Context(), []string{"numbers", "reconcile", "+6531234567", "--url", s.URL}, nil, &out, io.Discard))
		require.Contains(t, out.String(), `"asked": 5`)
		require.Contains(t, out.String(), fmt.Sprintf(`"failed": %d`, n))
	}
	var out bytes.Buffer
	require.Equal(t, exitDone, run(t.Context(), []string{"numbers", "reconcile", "+6531234567", "--no-wait", "--url", s.URL}, nil, &out, io.Discard))
	require.Contains(t, out.String(), `"running"`)
}
