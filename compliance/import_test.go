package compliance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/compliance/audit/audittest"
	"github.com/callctl/callctl/geo"
	"github.com/callctl/callctl/permissions"
)

const business = geo.E164("+6531234567")

// anyHour is Meta's pack without quiet hours.
const anyHour = `{"name": "meta-any-hour", "version": "2025-01-01", "valid_from": "2025-01-01", "base": "meta",
	"hours": null, "sources": {"hours": "these tests do not ask for the hour"}}`

// newLedger is a real ledger over the house's database.
func (h *house) newLedger(tb testing.TB, revoke func(context.Context, *audit.Tx, permissions.Revocation) error) *permissions.Ledger {
	tb.Helper()
	rules, err := geo.Load()
	require.NoError(tb, err)
	ledger, err := permissions.New(permissions.Config{
		Log: h.log, Read: h.db.Read, Geo: rules, Now: h.tick, Packs: []json.RawMessage{json.RawMessage(anyHour)},
		Businesses: []permissions.Business{{Number: business, Account: account, Rules: "meta-any-hour"}},
		RevokeTx:   revoke,
		StoppedTx:  revoke,
	})
	require.NoError(tb, err)
	return ledger
}

// desk of imports: a real ledger and an importer over one database.
type importDesk struct {
	*house
	ledger   *permissions.Ledger
	importer *Importer
}

func newImportDesk(tb testing.TB) *importDesk {
	tb.Helper()
	d := &importDesk{house: newHouse(tb)}
	d.ledger = d.newLedger(tb, nil)
	d.importer = d.newImporter(tb, d.ledger)
	return d
}

func (d *importDesk) newImporter(tb testing.TB, ledger ImportLedger) *Importer {
	tb.Helper()
	// The clock stands: how many rows a transaction takes is another test's.
	i, err := NewImporter(ImporterConfig{
		Log: d.log, Read: d.db.Read, Ledger: ledger,
		Now: func() time.Time { return time.Date(2026, 11, 22, 18, 0, 0, 0, time.UTC) },
		NewID: func() string {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.ids++
			return fmt.Sprintf("I%d", d.ids)
		},
	})
	require.NoError(tb, err)
	require.Equal(tb, chunkRows, i.chunk)
	i.chunk = fewRows
	return i
}

// fewRows are the rows of a chunk in these tests: more than a transaction applies.
const fewRows = applyMost + 36

func (d *importDesk) take(tb testing.TB, csv string) ImportReport {
	tb.Helper()
	report, err := d.importer.Import(tb.Context(), strings.NewReader(csv), ImportOptions{Actor: "ops", Reason: "the old system's list"})
	require.NoError(tb, err)
	return report
}

// listed is the whole do-not-call list.
func (d *importDesk) listed(tb testing.TB) map[permissions.User]permissions.DoNotCallEntry {
	tb.Helper()
	out := map[permissions.User]permissions.DoNotCallEntry{}
	page := permissions.Page{Limit: 1000}
	for {
		list, next, err := d.ledger.DoNotCallList(tb.Context(), page)
		require.NoError(tb, err)
		for _, e := range list {
			out[e.User] = e
		}
		if page.Cursor = next; next == "" {
			return out
		}
	}
}

func (d *importDesk) count(tb testing.TB, query string, args ...any) (n int) {
	tb.Helper()
	require.NoError(tb, d.db.Read.QueryRowContext(tb.Context(), query, args...).Scan(&n))
	return n
}

// entries are the audit entries of a kind.
func (d *importDesk) entries(tb testing.TB, kind string) []audit.Entry {
	tb.Helper()
	list, err := d.log.Entries(tb.Context(), audit.Query{After: -1, Limit: 10000, Kind: kind})
	require.NoError(tb, err)
	return list
}

func TestImport(t *testing.T) {
	d := newImportDesk(t)
	file := "\ufeffUser , Reason,SINCE,scope\r\n" +
		"+6591234567,asked by phone,2024-03-01,\r\n" +
		"6597654321,,2024-03-01T10:00:00+08:00,all\r\n" +
		"\r\n" +
		"US.13491208655302741918,\"said: \"\"never\"\"\",,calls\r\n" +
		"+6598765432,,,messages\r\n" +
		"6591234567,again,,CALLS\r\n"
	report := d.take(t, file)
	require.Equal(t, ImportReport{
		ID: "I1", SHA256: hexSHA256([]byte(file)), State: ImportApplied, Rows: 5, Added: 4, Repeated: 1, Errors: []ImportError{},
		Actor: "ops", At: report.At,
	}, report)
	list := d.listed(t)
	require.Len(t, list, 3)
	alices := list[alice]
	require.Equal(t, "asked by phone", alices.Reason)
	require.Equal(t, "import", alices.Source)
	require.Equal(t, "ops", alices.Actor)
	require.Equal(t, "import/I1/2", alices.Event)
	require.Equal(t, time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC), alices.Since)
	require.Equal(t, "the old system's list", list[bob].Reason)
	require.Equal(t, time.Date(2024, 3, 1, 2, 0, 0, 0, time.UTC), list[bob].Since)
	require.Equal(t, `said: "never"`, list["US.13491208655302741918"].Reason)

	for user, stopped := range map[permissions.User]bool{alice: false, bob: true, "+6598765432": true} {
		s, err := d.ledger.Permission(t.Context(), permissions.Pair{Business: business, User: user})
		require.NoError(t, err)
		require.Equal(t, stopped, s.MessagesStopped, "%s", user)
		require.Equal(t, user != "+6598765432", s.DoNotCall, "%s", user)
	}

	require.Len(t, d.entries(t, "dnc.added"), 3)
	require.Len(t, d.entries(t, "message.stopped"), 2)
	require.JSONEq(t, fmt.Sprintf(`{"import": "I1", "sha256": %q, "actor": "ops", "reason": "the old system's list", "rows": 5, "repeated": 1}`,
		report.SHA256), string(d.entries(t, kindImportStarted)[0].Payload))
	require.JSONEq(t, fmt.Sprintf(`{"import": "I1", "sha256": %q, "actor": "ops", "rows": 5, "repeated": 1, "added": 4, "already": 0}`,
		report.SHA256), string(d.entries(t, kindImportApplied)[0].Payload))
	require.Contains(t, string(d.entries(t, "dnc.added")[0].Payload), `"auth":"import"`)
	require.Contains(t, string(d.entries(t, "dnc.added")[0].Payload), `"ref":"import/I1"`)
	require.Zero(t, d.count(t, "SELECT COUNT(*) FROM import_chunks"), "no number is kept")
	require.Zero(t, d.count(t, "SELECT COUNT(*) FROM imports WHERE salt IS NOT NULL"), "nor the key of one")

	again := d.take(t, file)
	require.Equal(t, "I2", again.ID)
	require.Equal(t, ImportApplied, again.State)
	require.Equal(t, []int{5, 0, 4, 1}, []int{again.Rows, again.Added, again.Already, again.Repeated})
	require.Equal(t, list, d.listed(t), "the same file again changes nothing")
	require.Len(t, d.entries(t, "dnc.added"), 3)
	audittest.Check(t, d.db.Read, filepath.Join(d.dir, "audit"))

	_, err := d.importer.Get(t.Context(), "I9")
	require.ErrorIs(t, err, ErrNoImport)
}

func TestDryRun(t *testing.T) {
	d := newImportDesk(t)
	d.take(t, "user\n+6591234567\n")
	before := d.log.Size()
	report, err := d.importer.Import(t.Context(), strings.NewReader("user,scope\n+6591234567,\n+6591234567,all\n+6597654321,\n+6597654321,\n"),
		ImportOptions{Actor: "ops", Reason: "x", DryRun: true})
	require.NoError(t, err)
	require.Equal(t, ImportChecked, report.State)
	require.True(t, report.DryRun)
	require.Empty(t, report.ID)
	require.Equal(t, []int{4, 2, 1, 1}, []int{report.Rows, report.Added, report.Already, report.Repeated})
	require.Equal(t, before, d.log.Size())
	require.Len(t, d.listed(t), 1)
	require.Equal(t, 1, d.count(t, "SELECT COUNT(*) FROM imports"))
}

// faults writes errors as "line column reason".
func faults(r ImportReport) (out []string) {
	for _, e := range r.Errors {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%d %s %s", e.Line, e.Column, e.Reason)))
	}
	return out
}

func TestEveryFaultHasItsLine(t *testing.T) {
	long := strings.Repeat("x", maxCell+1)
	for name, tc := range map[string]struct {
		csv  string
		want []string
	}{
		"nothing":              {"", []string{"1  no_header"}},
		"blank":                {"\n\r\n\n", []string{"1  no_header"}},
		"only a header":        {"user\n", []string{"1  no_rows"}},
		"only a header, blank": {"user,reason\n,\n \n", []string{"3  no_rows"}},
		"no header":            {"+6591234999\n", []string{"1 1 column_unknown", "1 user column_missing"}},
		"no user":              {"reason,since\nx,2024-01-01\n", []string{"1 user column_missing"}},
		"a strange column":     {"user,name\n+6591234999,Ann\n", []string{"1 2 column_unknown"}},
		"a column twice":       {"user,User\n+6591234999,x\n", []string{"1 user column_twice"}},
		"utf-16":               {"\xff\xfeu\x00s\x00", []string{"1  encoding"}},
		"a workbook":           {"PK\x03\x04\x14\x00", []string{"1  not_csv"}},
		"numbers": {"user\n+6591234999\n+65912\n+659123499989012\n\"+65 9123 4567\"\n+1800FLOWERS\n00999123\n6.59123E+09\nUS.x y\n\"\"\n+6597654321\n", []string{
			"3 user number_too_short", "4 user number_too_long", "5 user number_characters", "6 user number_characters",
			"7 user number_country_unknown", "8 user number_rounded", "9 user number_characters",
		}},
		"cells": {"user,scope,since,reason\n+6591234999,sms,,\n+6591234568,,yesterday,\n+6591234569,,2031-01-01,\n+6591234560,,1901-01-01,\n+65912345\n", []string{
			"2 scope scope_unknown", "3 since since_unreadable", "4 since since_future", "5 since since_too_early", "6  cells",
		}},
		"an empty user":    {"user,scope\n,all\n", []string{"2 user number_empty"}},
		"two in a line":    {"user,scope\nx,y\n", []string{"2 user number_characters", "2 scope scope_unknown"}},
		"a quote":          {"user,reason\n+6591234999,5\" pipe\n+6597654321,ok\nx,\n", []string{"2  quotes", "4 user number_characters"}},
		"an open quote":    {"user,reason\n+6591234999,\"never closed\n+6597654321,ok\n", []string{"2  quotes"}},
		"an endless quote": {"user,reason\n+6591234999,\"" + strings.Repeat("+6597654321,ok\n", 4000), []string{"2  row_too_long"}},
		"a long cell":      {"user,reason\n+6591234999," + long + "\n", []string{"2 reason cell_too_long"}},
		"two lines":        {"user,reason\n+6591234999,\"a\nb\"\nx,\n", []string{"2 reason control_character", "4 user number_characters"}},
		"latin-1":          {"user,reason\n+6591234999,caf\xe9\n", []string{"2 reason encoding"}},
		"a nought":         {"user\n+6591234999\x00\n", []string{"2 user control_character"}},
		"semicolons":       {"user;since\n+6591234999;x\n", []string{"2 since since_unreadable"}},
		"tabs":             {"user\tsince\n+6591234999\tx\n", []string{"2 since since_unreadable"}},
		"old mac":          {"user\r+6591234999\r", []string{"1 1 column_unknown", "1 user column_missing"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := newImportDesk(t)
			report := d.take(t, tc.csv)
			require.Equal(t, ImportRefused, report.State)
			require.Empty(t, report.ID)
			require.Equal(t, tc.want, faults(report))
			require.Equal(t, len(tc.want), report.Faults)
			for _, e := range report.Errors {
				require.NotEmpty(t, e.Hint)
				require.NotContains(t, e.Hint, "6591234999")
			}
			require.Empty(t, d.listed(t))
			require.Zero(t, d.log.Size(), "nothing happened")
			require.Zero(t, d.count(t, "SELECT COUNT(*) FROM imports"))
		})
	}
}

// A list with a fault in its last line leaves nothing, however long it is.
func TestRefusedListLeavesNothing(t *testing.T) {
	d := newImportDesk(t)
	report := d.take(t, numbers(3*fewRows)+"x\n")
	require.Equal(t, ImportRefused, report.State)
	require.Equal(t, []string{fmt.Sprintf("%d user number_characters", 3*fewRows+2)}, faults(report))
	require.Empty(t, d.listed(t))
	require.Zero(t, d.count(t, "SELECT COUNT(*) FROM imports"))
	require.Zero(t, d.count(t, "SELECT COUNT(*) FROM import_chunks"))

	many := d.take(t, "user\n"+strings.Repeat("x\n", 250))
	require.Equal(t, 250, many.Faults)
	require.Len(t, many.Errors, 100)
}

// numbers is a list of n users.
func numbers(n int) string {
	var b strings.Builder
	b.WriteString("user\n")
	for i := range n {
		fmt.Fprintf(&b, "+659%07d\n", i)
	}
	return b.String()
}

func TestListsHaveBounds(t *testing.T) {
	dry := func(r io.Reader, b bounds) ImportReport {
		i := newImportDesk(t).newImporter(t, nobodyListed{})
		require.Equal(t, bounds{1_000_000, 64 << 20}, i.bounds)
		i.bounds = b
		report, err := i.Import(t.Context(), r, ImportOptions{Actor: "ops", Reason: "x", DryRun: true})
		require.NoError(t, err)
		return report
	}
	const rows = 1000
	file := func(n int) io.Reader { return strings.NewReader("user\n" + strings.Repeat("+6591234567\n", n)) }
	report := dry(file(rows), bounds{rows, MaxImportSize})
	require.Equal(t, ImportChecked, report.State, faults(report))
	require.Equal(t, rows-1, report.Repeated)
	require.Equal(t, []string{fmt.Sprintf("%d  too_many_rows", rows+2)}, faults(dry(file(rows+1), bounds{rows, MaxImportSize})))

	exact := "user\n" + strings.Repeat("+6591234567\n", 2000)
	require.Equal(t, ImportChecked, dry(strings.NewReader(exact), bounds{5000, len(exact)}).State)
	report = dry(strings.NewReader(exact), bounds{5000, len(exact) - 1})
	require.Equal(t, ImportRefused, report.State)
	require.Equal(t, "file_too_long", report.Errors[0].Reason)
}

// nobodyListed is a ledger without a list.
type nobodyListed struct{}

func (nobodyListed) ImportTx(context.Context, *audit.Tx, permissions.Listing) (bool, error) {
	return true, nil
}

func (nobodyListed) Listed(context.Context, permissions.User, permissions.Channels) (bool, error) {
	return false, nil
}

func TestImportNeedsAnActorAndReasons(t *testing.T) {
	d := newImportDesk(t)
	_, err := d.importer.Import(t.Context(), strings.NewReader("user\n"), ImportOptions{Reason: "x"})
	require.ErrorIs(t, err, permissions.ErrReason)
	report, err := d.importer.Import(t.Context(), strings.NewReader("user,reason\n+6591234567,asked\n+6597654321,\n"), ImportOptions{Actor: "ops"})
	require.NoError(t, err)
	require.Equal(t, []string{"3 reason reason_missing"}, faults(report))
	_, err = NewImporter(ImporterConfig{})
	require.ErrorIs(t, err, ErrConfig)
}

// A connection that breaks in the middle of the file leaves nothing.
func TestBrokenUploadLeavesNothing(t *testing.T) {
	d := newImportDesk(t)
	broken := errors.New("connection reset")
	_, err := d.importer.Import(t.Context(), io.MultiReader(strings.NewReader(numbers(2*fewRows+5)), iotest.ErrReader(broken)),
		ImportOptions{Actor: "ops", Reason: "x"})
	require.ErrorIs(t, err, broken)
	require.Zero(t, d.count(t, "SELECT COUNT(*) FROM imports"))
	require.Zero(t, d.count(t, "SELECT COUNT(*) FROM import_chunks"))
	require.Empty(t, d.listed(t))
}

// An import is no word of the user: it lifts nothing, re-dates nothing, and
// narrows what is there.
func TestImportOverridesNothing(t *testing.T) {
	d := newImportDesk(t)
	pair := permissions.Pair{Business: business, User: alice}
	record := func(id string, kind permissions.EventKind, at time.Time) {
		_, err := d.ledger.Record(t.Context(), permissions.Event{
			ID: id, Kind: kind, Pair: pair, Account: account, Auth: permissions.AuthHMAC, At: at, Expires: at.Add(168 * time.Hour),
		})
		require.NoError(t, err)
	}
	record("meta/1", permissions.Granted, d.tick())
	record("meta/2", permissions.OptedOut, d.tick())
	before := d.listed(t)[alice]
	report := d.take(t, "user,since,reason\n+6591234567,2020-01-01,older\n")
	require.Equal(t, 1, report.Already)
	require.Equal(t, before, d.listed(t)[alice], "the entry there is stays, with its date and its source")

	proposed, err := d.ledger.Apply(t.Context(), permissions.Change{
		Kind: permissions.OptOutLifted, Pair: permissions.Pair{User: alice}, Actor: "ops", Reason: "a mistake",
	})
	require.NoError(t, err)
	if proposed != nil {
		_, err = d.ledger.Approve(t.Context(), proposed.ID, "supervisor")
		require.NoError(t, err)
	}
	require.Empty(t, d.listed(t))
	record("meta/3", permissions.Granted, d.tick())
	report = d.take(t, "user,since\n+6591234567,2020-01-01\n")
	require.Equal(t, 1, report.Added, "an old list says it anew")
	s, err := d.ledger.Permission(t.Context(), pair)
	require.NoError(t, err)
	require.True(t, s.DoNotCall)
	require.Equal(t, permissions.DoNotCall, s.Reason)
}

// State after an import is state before with the rows added.
func TestImportIsAUnion(t *testing.T) {
	d := newImportDesk(t)
	user := func(n int) permissions.User { return permissions.User(fmt.Sprintf("+659%07d", n)) }
	rapid.Check(t, func(rt *rapid.T) {
		before := d.listed(t)
		lines := rapid.SliceOfN(rapid.IntRange(0, 400), 1, 30).Draw(rt, "lines")
		var b strings.Builder
		b.WriteString("user\n")
		added := map[permissions.User]bool{}
		for _, n := range lines {
			fmt.Fprintln(&b, user(n))
			if _, ok := before[user(n)]; !ok {
				added[user(n)] = true
			}
		}
		report := d.take(t, b.String())
		require.Equal(rt, ImportApplied, report.State)
		require.Equal(rt, len(lines), report.Rows)
		require.Equal(rt, len(lines), report.Added+report.Already+report.Repeated)
		require.Equal(rt, len(added), report.Added)
		after := d.listed(t)
		require.Len(rt, after, len(before)+len(added))
		for u, e := range before {
			require.Equal(rt, e, after[u])
		}
		for _, n := range lines {
			require.Contains(rt, after, user(n))
		}
	})
	require.Len(t, d.entries(t, "dnc.added"), len(d.listed(t)))
	require.False(t, slices.ContainsFunc(d.entries(t, kindImportStarted), func(e audit.Entry) bool {
		return strings.Contains(string(e.Payload), "+659")
	}))
}
