package permissions_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/migrations"
	"github.com/callctl/callctl/permissions"
)

// population is how many users a benchmark's database has: 100,000, or what
// CALLCTL_BENCH_USERS says.
func population(b *testing.B) int {
	b.Helper()
	n, err := strconv.Atoi(os.Getenv("CALLCTL_BENCH_USERS"))
	if err != nil || n <= 0 {
		return 100_000
	}
	return n
}

// citizen is user i of a population.
func citizen(i int) permissions.Pair {
	return permissions.Pair{Business: metaNumber, User: permissions.User(fmt.Sprintf("+65%08d", 80_000_000+i))}
}

// stranger is citizen n of a walk that meets each of users once, in no order.
func stranger(n, users int) permissions.Pair {
	const stride = 1<<31 - 1 // a prime
	return citizen(n * stride % users)
}

// newPopulated is a fixture over the database of a population, whose grants end
// after life. In the folder CALLCTL_BENCH_DIR the database stays for the next run;
// filled says that this one made it, and so has the memory of that behind it.
func newPopulated(b *testing.B, users int, life time.Duration) (f *fixture, filled bool) {
	b.Helper()
	blank := newFixture(b)
	dir := b.TempDir()
	if kept := os.Getenv("CALLCTL_BENCH_DIR"); kept != "" {
		dir = filepath.Join(kept, fmt.Sprintf("%d-%s", users, life))
	}
	path := filepath.Join(dir, "callctl.db")
	if _, err := os.Stat(path); err != nil {
		require.NoError(b, os.MkdirAll(dir, 0o700))
		fill(b, path+".new", users, blank.clock(), life, blank.check(b, citizen(-1)).RulePack)
		require.NoError(b, os.Rename(path+".new", path))
		filled = true
	}
	return newFixtureIn(b, dir), filled
}

// fill writes the rows that Record leaves of users who are known by their number
// and granted: of a third the request before, of a sixth a message too. Neither the
// rows of one user nor those of the users who came one after the other lie side by
// side. Entries of the audit are left out: no decision reads them. It writes without
// a journal, and the indexes at the end.
func fill(b *testing.B, path string, users int, now time.Time, life time.Duration, pack string) {
	b.Helper()
	db, err := migrations.Open(b.Context(), path)
	require.NoError(b, err)
	require.NoError(b, db.Close())
	options := url.Values{"_pragma": {"journal_mode(OFF)", "synchronous(OFF)", "cache_size(-262144)", "locking_mode(EXCLUSIVE)"}}
	raw, err := sql.Open("sqlite", "file:"+path+"?"+options.Encode())
	require.NoError(b, err)
	raw.SetMaxOpenConns(1)
	exec := func(query string, args ...any) {
		_, err := raw.ExecContext(b.Context(), query, args...)
		require.NoError(b, err, query)
	}
	body := func(e permissions.Event) string {
		e.At, e.Received, e.Account, e.Line = now, now, "acme-meta", "$line"
		text, err := json.Marshal(e)
		require.NoError(b, err)
		return string(text)
	}
	indexes := dropIndexes(b, raw)
	exec(`CREATE TEMP TABLE people (n INTEGER PRIMARY KEY, subject TEXT, token TEXT, request TEXT, reply TEXT)`)
	exec(sqlPeople, users, now.Add(-30*24*time.Hour).UnixMilli())
	exec(`INSERT INTO subjects (id, created_ms) SELECT subject, ? FROM people ORDER BY subject`, now.UnixMilli())
	exec(`INSERT INTO aliases (alias, subject, since_ms, token, used)
		SELECT '+65' || (80000000 + n), subject, ?, token, 1 FROM people ORDER BY n`, now.UnixMilli())
	const facts = `INSERT INTO permission_events (audit_index, event_id, subject, business, kind, at_ms, received_ms, body)
		SELECT ? + n, %[1]s, subject, ?, ?, ?, ?, replace(replace(replace(?, '$id', %[1]s), '$line', token), '$request', request)
		FROM people WHERE %[2]s ORDER BY n`
	write := func(place int64, id, whose string, e permissions.Event) {
		e.ID = "$id"
		exec(fmt.Sprintf(facts, id, whose), place<<32, string(metaNumber), string(e.Kind), now.UnixMilli(), now.UnixMilli(), body(e))
	}
	write(1, "request", "n % 6 > 3", permissions.Event{Kind: permissions.Requested, Auth: permissions.AuthSelf, Template: "cpr/en"})
	write(2, "reply || '-1'", "n % 6 > 4", permissions.Event{Kind: permissions.Messaged, Auth: permissions.AuthHMAC})
	write(3, "reply", "true", permissions.Event{
		Kind: permissions.Granted, Auth: permissions.AuthHMAC, Expires: now.Add(life), Ref: "$request", Request: "$request",
	})
	exec(`INSERT INTO permissions (subject, business, grant_event, do_not_call, epoch, updated_ms, requested_ms, rule_pack, expires_ms, due_ms)
		SELECT subject, ?, reply, 0, 0, ?, CASE WHEN n % 6 > 3 THEN ? ELSE 0 END, ?, ?, ? FROM people ORDER BY subject`,
		string(metaNumber), now.UnixMilli(), now.UnixMilli(), pack, now.Add(life).UnixMilli(), now.Add(life-time.Minute).UnixMilli())
	exec(`DROP TABLE people`)
	for _, query := range indexes {
		exec(query)
	}
	require.NoError(b, raw.Close())
}

// sqlPeople makes names as random and as long as real ones.
const sqlPeople = `
WITH RECURSIVE one (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM one WHERE n + 1 < ?1)
INSERT INTO people (n, subject, token, request, reply)
SELECT n, printf('%012x%08x%012x', ?2 + n * 2147483647 % ?1, (n * 2654435761) & 4294967295, n), printf('%012x%08x%012x', ?2 + n * 2147483647 % ?1, (n * 2246822519) & 4294967295, n),
	printf('callctl/request/%024x%08x', n, (n * 3266489917) & 4294967295),
	printf('meta/wamid.HBgLNjU%024xVAgASGBQ%08x', n, (n * 668265263) & 4294967295) FROM one`

// dropIndexes drops the indexes of the ledger's largest tables and returns the
// statements that make them again.
func dropIndexes(b *testing.B, db *sql.DB) []string {
	b.Helper()
	rows, err := db.QueryContext(b.Context(), `SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL
		AND tbl_name IN ('subjects', 'aliases', 'permission_events', 'permissions')`)
	require.NoError(b, err)
	defer rows.Close()
	var names, made []string
	for rows.Next() {
		var name, query string
		require.NoError(b, rows.Scan(&name, &query))
		names, made = append(names, name), append(made, query)
	}
	require.NoError(b, rows.Err())
	for _, name := range names {
		_, err := db.ExecContext(b.Context(), "DROP INDEX "+name)
		require.NoError(b, err)
	}
	return made
}
