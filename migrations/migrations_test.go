package migrations

import (
	"context"
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, path string) *DB {
	t.Helper()
	db, err := Open(t.Context(), path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func TestOpenCreatesPrivateFilesAtTheNewestSchema(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new dir", "a%b?c#d.db")
	db := open(t, path)
	v, err := version(t.Context(), db.Read)
	require.NoError(t, err)
	p, err := provider(db.Write)
	require.NoError(t, err)
	require.Equal(t, p.ListSources()[len(p.ListSources())-1].Version, v)
	for _, suffix := range []string{"", "-wal", "-shm", ".lock"} {
		st, err := os.Stat(path + suffix)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), st.Mode().Perm(), suffix)
	}
	_, err = db.Read.ExecContext(t.Context(), "DELETE FROM audit_entries")
	require.Error(t, err, "the reading pool must not write")
}

func TestOpenAgainKeepsWhatWasWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "callctl.db")
	db := open(t, path)
	_, err := db.Write.ExecContext(t.Context(), "INSERT INTO audit_hashes (pos, hash) VALUES (0, x'00')")
	require.NoError(t, err)
	require.NoError(t, db.Close())
	db = open(t, path)
	var n int
	require.NoError(t, db.Read.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM audit_hashes").Scan(&n))
	require.Equal(t, 1, n)
}

func TestOpenRefusesASecondWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "callctl.db")
	db := open(t, path)
	_, err := Open(t.Context(), path)
	require.ErrorIs(t, err, ErrLocked)
	require.NoError(t, db.Close())
	open(t, path)
}

func TestOpenRefusesANewerSchema(t *testing.T) {
	path := filepath.Join(t.TempDir(), "callctl.db")
	db := open(t, path)
	_, err := db.Write.ExecContext(t.Context(),
		"INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, 1)")
	require.NoError(t, err)
	require.NoError(t, db.Close())
	_, err = Open(t.Context(), path)
	require.ErrorIs(t, err, ErrNewerSchema)
	_, err = OpenReadOnly(t.Context(), path)
	require.ErrorIs(t, err, ErrNewerSchema)
}

func TestOpenReadOnly(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "callctl.db")
	_, err := OpenReadOnly(t.Context(), path)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoFileExists(t, path)

	db := open(t, path)
	beside, err := OpenReadOnly(t.Context(), path)
	require.NoError(t, err, "a reader works beside the daemon")
	require.NoError(t, beside.Close())
	require.NoError(t, db.Close())

	ro, err := OpenReadOnly(t.Context(), path)
	require.NoError(t, err)
	require.Nil(t, ro.Write)
	_, err = ro.Read.ExecContext(t.Context(), "DELETE FROM audit_entries")
	require.Error(t, err)
	require.NoError(t, ro.Close())

	empty := filepath.Join(dir, "empty.db")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	_, err = OpenReadOnly(t.Context(), empty)
	require.ErrorIs(t, err, ErrNoSchema)
}

// Each setting is left out in turn, or set to another value; the assertion must
// name it.
func TestAssertSettingsNamesEachMissingOne(t *testing.T) {
	wrong := map[string]string{
		"busy_timeout": "1", "journal_mode": "DELETE", "synchronous": "NORMAL", "foreign_keys": "0",
		"secure_delete": "0", "trusted_schema": "1", "cell_size_check": "0", "mmap_size": "4096",
		"wal_autocheckpoint": "1", "journal_size_limit": "1", "temp_store": "1", "cache_size": "-2000",
	}
	path := filepath.Join(t.TempDir(), "callctl.db")
	for _, s := range settings() {
		if !s.holds(writing) {
			continue
		}
		t.Run(s.pragma, func(t *testing.T) {
			require.Contains(t, wrong, s.pragma, "a setting without a wrong value to test")
			base, query, _ := strings.Cut(dsn(path, writing), "?")
			q, err := url.ParseQuery(query)
			require.NoError(t, err)
			q["_pragma"] = slices.DeleteFunc(q["_pragma"], func(p string) bool { return strings.HasPrefix(p, s.pragma+"(") })
			q.Add("_pragma", s.pragma+"("+wrong[s.pragma]+")")
			requireRefused(t, base+"?"+q.Encode(), writing, s.pragma)
		})
	}
	requireRefused(t, strings.Replace(dsn(path, writing), "_dqs=0", "_dqs=1", 1), writing, "dqs")
	open(t, path)
	requireRefused(t, dsn(path, writing), reading, "query_only")
}

func requireRefused(t *testing.T, dsn string, m mode, names string) {
	t.Helper()
	db, err := sql.Open("sqlite", dsn)
	require.NoError(t, err)
	defer db.Close()
	err = assertSettings(t.Context(), db, m)
	require.ErrorIs(t, err, ErrSettings)
	require.ErrorContains(t, err, names)
}

func TestAtLeast(t *testing.T) {
	for _, c := range []struct {
		have string
		want bool
	}{
		{"3.51.3", true},
		{"3.51.2", false},
		{"3.52.0", true},
		{"3.9.99", false},
		{"4.0.0", true},
		{"3.51.10", true},
		{"3.51", false},
		{"", false},
		{"3.x.3", false},
	} {
		require.Equal(t, c.want, atLeast(c.have, "3.51.3"), c.have)
	}
}

func TestRunCheckpointsBoundsTheLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "callctl.db")
	db := open(t, path)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- db.RunCheckpoints(ctx) }()

	_, err := db.Write.ExecContext(ctx, "INSERT INTO audit_hashes (pos, hash) VALUES (1, zeroblob(2000000))")
	require.NoError(t, err)
	main := func() int64 {
		st, err := os.Stat(path)
		require.NoError(t, err)
		return st.Size()
	}
	require.Eventually(t, func() bool { return main() > 2_000_000 }, 5*time.Second, 20*time.Millisecond,
		"the log must be copied into the database without a commit doing it")
	cancel()
	require.NoError(t, <-done)
}

// A writer that never pauses does not let the log grow without end.
func TestRunCheckpointsBeginsTheLogAnewUnderAWriter(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 90 MB")
	}
	path := filepath.Join(t.TempDir(), "callctl.db")
	db := open(t, path)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- db.RunCheckpoints(ctx) }()
	written, largest := int64(0), int64(0)
	const row = 40_000
	for i := 0; written < 90<<20; i++ {
		_, err := db.Write.ExecContext(ctx, "INSERT INTO audit_hashes (pos, hash) VALUES (?, randomblob(?)) ON CONFLICT (pos) DO UPDATE SET hash = excluded.hash", i%200, row)
		require.NoError(t, err)
		written += row
		st, err := os.Stat(path + "-wal")
		require.NoError(t, err)
		largest = max(largest, st.Size())
	}
	cancel()
	require.NoError(t, <-done)
	require.Less(t, largest, int64(truncateFrom), "%d bytes written", written)
}

func TestCheckpointDoesNotWaitForReaders(t *testing.T) {
	path := filepath.Join(t.TempDir(), "callctl.db")
	db := open(t, path)
	reader, err := db.Read.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer func() { _ = reader.Rollback() }()
	var n int
	require.NoError(t, reader.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM audit_hashes").Scan(&n))
	_, err = db.Write.ExecContext(t.Context(), "INSERT INTO audit_hashes (pos, hash) VALUES (1, zeroblob(200000))")
	require.NoError(t, err)
	start := time.Now()
	require.NoError(t, db.runCheckpoint(t.Context(), truncateFrom))
	require.Less(t, time.Since(start), time.Second)
}
