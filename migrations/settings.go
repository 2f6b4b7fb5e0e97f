package migrations

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// minVersion is the first SQLite without the WAL-reset bug, by which a
// checkpoint racing a writer could corrupt the database (3.7.0 to 3.51.2).
const minVersion = "3.51.3"

// mode is what a connection is for.
type mode int

const (
	writing mode = iota
	reading
	checkpointing
)

// checkpointPatience is how many milliseconds a checkpoint may hold the writer
// while it waits for readers to leave.
const checkpointPatience = "20"

// setting is a pragma that the connections of some modes have.
type setting struct {
	pragma string
	value  string // as it is set
	reads  string // as it is read back
	on     []mode // every mode when empty
}

func (s setting) holds(m mode) bool { return len(s.on) == 0 || slices.Contains(s.on, m) }

// settings are the pragmas, with why they are not SQLite's defaults.
func settings() []setting {
	writes, reads := []mode{writing, checkpointing}, []mode{reading}
	return []setting{
		{"busy_timeout", "5000", "5000", nil},
		{"journal_mode", "WAL", "wal", nil}, // readers never wait for the writer
		{"synchronous", "FULL", "2", nil},   // a commit is on the disk when it returns
		{"foreign_keys", "1", "1", nil},     //
		{"secure_delete", "1", "1", nil},    // erased personal data is overwritten
		{"trusted_schema", "0", "0", nil},   // a planted view or trigger calls nothing
		{"cell_size_check", "1", "1", nil},  // a corrupt page is an error, not a crash
		{"mmap_size", "0", "0", nil},        // no stray pointer writes into the file
		{"temp_store", "2", "2", nil},       // undo copies of pages in memory: faster, and no temporary file holds personal data
		{"query_only", "1", "1", reads},     //
		// KiB, of which the driver's allocator takes twice as much: it has slots of powers
		// of two, and a page with its header is more than 4,096 bytes.
		{"cache_size", "-4096", "-4096", reads},
		{"cache_size", "-16384", "-16384", writes},       // a shared transaction stays in memory until its commit
		{"wal_autocheckpoint", "16384", "16384", writes}, // pages; the fallback for RunCheckpoints
		{"journal_size_limit", "8388608", "8388608", writes},
	}
}

// dsn is the driver's connection string for path.
func dsn(path string, m mode) string {
	q := url.Values{}
	for _, s := range settings() {
		if !s.holds(m) {
			continue
		}
		if m == checkpointing && s.pragma == "busy_timeout" {
			s.value = checkpointPatience
		}
		q.Add("_pragma", s.pragma+"("+s.value+")")
	}
	q.Set("_dqs", "0")       // "name" is never silently a string
	q.Set("_defensive", "1") // no SQL statement can write the file's own structures
	if m == reading {
		q.Set("mode", "ro")
	} else {
		q.Set("_txlock", "immediate") // a transaction that will write never finds out late that it cannot
	}
	return "file:" + strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(path) + "?" + q.Encode()
}

// assertSettings reads every setting back and fails with [ErrSettings] naming
// the first one that SQLite did not take.
func assertSettings(ctx context.Context, db *sql.DB, m mode) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	defer conn.Close()
	var v string
	if err := conn.QueryRowContext(ctx, "SELECT sqlite_version()").Scan(&v); err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	if !atLeast(v, minVersion) {
		return fmt.Errorf("%w: SQLite is %s, at least %s is needed", ErrSettings, v, minVersion)
	}
	for _, s := range settings() {
		if !s.holds(m) {
			continue
		}
		var have string
		if err := conn.QueryRowContext(ctx, "PRAGMA "+s.pragma).Scan(&have); err != nil {
			return fmt.Errorf("%w: %s cannot be read: %w", ErrSettings, s.pragma, err)
		}
		if have != s.reads {
			return fmt.Errorf("%w: %s is %s instead of %s", ErrSettings, s.pragma, have, s.reads)
		}
	}
	return assertStrictQuotes(ctx, conn)
}

// assertStrictQuotes proves that dqs is off, which no pragma tells.
func assertStrictQuotes(ctx context.Context, conn *sql.Conn) error {
	var s string
	if err := conn.QueryRowContext(ctx, `SELECT "no such column"`).Scan(&s); err == nil {
		return fmt.Errorf("%w: dqs is on instead of off", ErrSettings)
	}
	return nil
}

// atLeast compares dotted versions.
func atLeast(have, want string) bool {
	h, w := strings.Split(have, "."), strings.Split(want, ".")
	for i := range w {
		if i >= len(h) {
			return false
		}
		a, errA := strconv.Atoi(h[i])
		b, errB := strconv.Atoi(w[i])
		if errA != nil || errB != nil {
			return false
		}
		if a != b {
			return a > b
		}
	}
	return true
}
