// Package migrations opens the database at the schema that this binary expects.
//
// It holds the embedded forward-only schema and the SQLite settings that the
// durability promises rest on (synchronous=FULL, WAL); both are asserted when
// the database is opened, so a binary never runs on weaker settings.
package migrations

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// readers is the number of reading connections.
const readers = 4

// DB is an open database: one writing connection and a few reading ones.
//
// Write has exactly one connection, so a transaction on it is the only writer
// of the process, and a file lock keeps other processes out. Read is read-only.
// The caller owns DB and closes it last.
type DB struct {
	Write *sql.DB // nil when opened by [OpenReadOnly]
	Read  *sql.DB
	Path  string

	checkpoint *sql.DB // its own connection, so that the writer never waits for it
	lock       *os.File
}

// Open opens or creates the SQLite file at path, and its directory, migrates it
// forward and asserts its settings. The files have mode 0600. It fails with
// [ErrLocked], [ErrNewerSchema], [ErrSettings] or [ErrFileSystem].
func Open(ctx context.Context, path string) (_ *DB, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil { //nolint:gosec // the operator's own path
		return nil, fmt.Errorf("database directory: %w", err)
	}
	if err := refuseNetworkFileSystem(filepath.Dir(path)); err != nil {
		return nil, err
	}
	db := &DB{Path: path}
	defer func() {
		if err != nil {
			err = errors.Join(err, db.Close())
		}
	}()
	if db.lock, err = acquire(path + ".lock"); err != nil {
		return nil, err
	}
	if err = createPrivate(path); err != nil {
		return nil, err
	}
	if db.Write, err = pool(ctx, dsn(path, writing), 1, writing); err != nil {
		return nil, err
	}
	if err = migrate(ctx, db.Write); err != nil {
		return nil, err
	}
	if db.Read, err = pool(ctx, dsn(path, reading), readers, reading); err != nil {
		return nil, err
	}
	c, err := newConnector(dsn(path, checkpointing))
	if err != nil {
		return nil, err
	}
	db.checkpoint = sql.OpenDB(c)
	db.checkpoint.SetMaxOpenConns(1)
	return db, nil
}

// OpenReadOnly opens an existing database for reading, also while a daemon has
// it open. It takes no lock, migrates nothing and creates nothing; Write is nil.
func OpenReadOnly(ctx context.Context, path string) (_ *DB, err error) {
	if err := checkHeader(path); err != nil {
		return nil, err
	}
	db := &DB{Path: path}
	defer func() {
		if err != nil {
			err = errors.Join(err, db.Close())
		}
	}()
	if db.Read, err = pool(ctx, dsn(path, reading), readers, reading); err != nil {
		return nil, err
	}
	return db, checkVersion(ctx, db.Read)
}

// Close closes every connection and then lets go of the lock.
func (db *DB) Close() error {
	var errs []error
	for _, p := range []*sql.DB{db.checkpoint, db.Read, db.Write} {
		if p != nil {
			errs = append(errs, p.Close())
		}
	}
	if db.lock != nil {
		errs = append(errs, db.lock.Close())
	}
	return errors.Join(errs...)
}

// pool opens a pool of connections and asserts the settings of one of them; the
// others are opened by the same string.
func pool(ctx context.Context, dsn string, conns int, m mode) (*sql.DB, error) {
	c, err := newConnector(dsn)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(c)
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	if err := errors.Join(assertSettings(ctx, db, m), openAll(ctx, db, conns)); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// openAll opens every connection of a pool at once: their file descriptors are
// taken at start, where a limit is noticed, and not under load.
func openAll(ctx context.Context, db *sql.DB, conns int) error {
	var errs []error
	open := make([]*sql.Conn, 0, conns)
	for range conns {
		c, err := db.Conn(ctx)
		if err != nil {
			errs = append(errs, fmt.Errorf("open database: %w", err))
			break
		}
		open = append(open, c)
		errs = append(errs, c.PingContext(ctx))
	}
	for _, c := range open {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// createPrivate makes the file before SQLite does, because SQLite gives the WAL
// and shared-memory files the mode of the database.
func createPrivate(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the operator's own path
	if err != nil {
		return fmt.Errorf("create database: %w", err)
	}
	if err := errors.Join(f.Chmod(0o600), f.Close()); err != nil {
		return fmt.Errorf("create database: %w", err)
	}
	return syncDir(filepath.Dir(path))
}

// sqliteMagic begins every SQLite database file.
const sqliteMagic = "SQLite format 3\x00"

// checkHeader fails with [ErrNoSchema] for a file that is no SQLite database.
func checkHeader(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	defer f.Close()
	b := make([]byte, len(sqliteMagic))
	if _, err := io.ReadFull(f, b); err != nil || string(b) != sqliteMagic {
		return ErrNoSchema
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // the operator's own path
	if err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	return nil
}
