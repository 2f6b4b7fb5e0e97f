package migrations

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// keptBy returns the statements that the writing connection keeps.
func keptBy(t *testing.T, db *sql.DB) map[string]*statement {
	t.Helper()
	conn, err := db.Conn(t.Context())
	require.NoError(t, err)
	defer conn.Close()
	var kept map[string]*statement
	require.NoError(t, conn.Raw(func(c any) error {
		inner, ok := c.(*connection)
		require.True(t, ok)
		kept = inner.kept
		return nil
	}))
	return kept
}

func TestConnectionKeepsItsStatements(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "callctl.db"))
	const insert, read = "INSERT INTO audit_hashes (pos, hash) VALUES (?, ?)", "SELECT pos FROM audit_hashes WHERE pos >= ?"
	_, err := db.Write.ExecContext(t.Context(), insert, 1, []byte{1})
	require.NoError(t, err)
	first := keptBy(t, db.Write)[insert]
	require.NotNil(t, first)
	for i := range 20 {
		_, err := db.Write.ExecContext(t.Context(), insert, i+2, []byte{1})
		require.NoError(t, err)
		var n int
		require.NoError(t, db.Write.QueryRowContext(t.Context(), read, i+2).Scan(&n))
		require.Equal(t, i+2, n)
	}
	require.Same(t, first, keptBy(t, db.Write)[insert])
	require.Contains(t, keptBy(t, db.Write), read)

	_, err = db.Write.ExecContext(t.Context(), insert, 1, []byte{1})
	require.Error(t, err, "a row twice")
	require.NotContains(t, keptBy(t, db.Write), insert, "a statement that failed is not kept")
	_, err = db.Write.ExecContext(t.Context(), insert, 100, []byte{1})
	require.NoError(t, err)
}

// Rows of a query are read while the same query is run again, and again after
// they were left half-read.
func TestOneQueryWithinItself(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "callctl.db"))
	tx, err := db.Write.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer tx.Rollback()
	for i := range 3 {
		_, err := tx.ExecContext(t.Context(), "INSERT INTO audit_hashes (pos, hash) VALUES (?, x'00')", i)
		require.NoError(t, err)
	}
	const query = "SELECT pos FROM audit_hashes ORDER BY pos"
	read := func(most int, f func(pos int)) {
		rows, err := tx.QueryContext(t.Context(), query)
		require.NoError(t, err)
		defer rows.Close()
		for range most {
			if !rows.Next() {
				break
			}
			var pos int
			require.NoError(t, rows.Scan(&pos))
			f(pos)
		}
		require.NoError(t, rows.Err())
	}
	var pairs [][2]int
	for range 2 {
		read(1, func(int) {})
		read(4, func(a int) { read(4, func(b int) { pairs = append(pairs, [2]int{a, b}) }) })
	}
	require.Len(t, pairs, 18)
	require.Equal(t, [2]int{2, 1}, pairs[7])
}

func TestKeptStatementsAreBounded(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "callctl.db"))
	for i := range 3 * maxStatements {
		var n int
		require.NoError(t, db.Write.QueryRowContext(t.Context(), "SELECT 1").Scan(&n))
		require.NoError(t, db.Write.QueryRowContext(t.Context(), fmt.Sprintf("SELECT %d", i+10)).Scan(&n))
		require.Equal(t, i+10, n)
	}
	kept := keptBy(t, db.Write)
	require.Len(t, kept, maxStatements)
	require.Contains(t, kept, "SELECT 1", "what is used most is not the one to go")
}

// A kept statement sees a schema that changed after it was prepared.
func TestKeptStatementsFollowTheSchema(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "callctl.db"))
	run := func(query string) {
		_, err := db.Write.ExecContext(t.Context(), query)
		require.NoError(t, err, query)
	}
	count := func() (columns int) {
		rows, err := db.Write.QueryContext(t.Context(), "SELECT * FROM t")
		require.NoError(t, err)
		defer rows.Close()
		names, err := rows.Columns()
		require.NoError(t, err)
		require.NoError(t, rows.Err())
		return len(names)
	}
	run("CREATE TABLE t (a)")
	require.Equal(t, 1, count())
	run("ALTER TABLE t ADD COLUMN b")
	require.Equal(t, 2, count())
	run("DROP TABLE t")
	run("CREATE TABLE t (a, b, c)")
	require.Equal(t, 3, count())
}

func TestRepeats(t *testing.T) {
	for query, want := range map[string]bool{
		"SELECT 1": true, "\n\tINSERT INTO t VALUES (1)": true, "WITH x AS (SELECT 1) SELECT * FROM x": true,
		"BEGIN": true, "BEGIN IMMEDIATE": true, "COMMIT": true, "ROLLBACK": true, "RELEASE SAVEPOINT a": true, "SAVEPOINT a": true,
		"UPDATE t SET a = 1": true, "DELETE FROM t": true,
		"PRAGMA page_count": false, "CREATE TABLE t (a)": false, "": false, "SELECTED": false, "VACUUM": false, "  ": false,
		"EXPLAIN QUERY PLAN SELECT 1": false, "-- a comment\nSELECT 1": false,
	} {
		require.Equal(t, want, repeats(query), "%q", query)
	}
}

// plain is a connection of a driver that can do less.
type plain struct{ driver.Conn }

func (plain) Close() error { return nil }

type plainly struct{ driver.Connector }

func (plainly) Connect(context.Context) (driver.Conn, error) { return plain{}, nil }

func TestPlainDriverIsRefused(t *testing.T) {
	_, err := connector{plainly{}}.Connect(t.Context())
	require.ErrorIs(t, err, ErrDriver)
}

// What a statement costs that is run again: kept, and through the driver alone.
func BenchmarkQuery(b *testing.B) {
	path := filepath.Join(b.TempDir(), "callctl.db")
	db, err := Open(b.Context(), path)
	require.NoError(b, err)
	defer db.Close()
	alone, err := sql.Open("sqlite", dsn(path, reading))
	require.NoError(b, err)
	defer alone.Close()
	for name, pool := range map[string]*sql.DB{"kept": db.Read, "driver": alone} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				var n int
				err := pool.QueryRowContext(b.Context(),
					"SELECT COUNT(*) FROM audit_entries WHERE subject = ? AND idx > ?", "s", 1).Scan(&n)
				require.NoError(b, err)
			}
		})
	}
}
