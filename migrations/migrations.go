// Package migrations opens the database at the schema that this binary expects.
//
// It holds the embedded forward-only schema and the SQLite settings that the
// durability promises rest on (synchronous=FULL, WAL); both are asserted when
// the database is opened, so a binary never runs on weaker settings.
package migrations

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the database/sql driver "sqlite"
)

//go:embed sql/*.sql
var schema embed.FS

// ErrSettings is returned when SQLite did not take a setting that durability needs.
var ErrSettings = errors.New("migrations: database does not have the required settings")

// DB is an open database: one writing connection and a few reading ones.
//
// Write has exactly one connection, so a transaction on it is the only writer
// of the process. Read is read-only. The caller owns DB and closes it last.
type DB struct {
	Write *sql.DB
	Read  *sql.DB
	Path  string
}

// Open opens or creates the SQLite file at path and migrates it forward.
func Open(ctx context.Context, path string) (*DB, error) {
	write, err := sql.Open("sqlite", dsn(path, false))
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	write.SetMaxOpenConns(1)
	if err := prepare(ctx, write); err != nil {
		return nil, errors.Join(err, write.Close())
	}
	read, err := sql.Open("sqlite", dsn(path, true))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open database for reading: %w", err), write.Close())
	}
	read.SetMaxOpenConns(4)
	return &DB{Write: write, Read: read, Path: path}, nil
}

// Close closes both pools.
func (db *DB) Close() error { return errors.Join(db.Read.Close(), db.Write.Close()) }

func prepare(ctx context.Context, db *sql.DB) error {
	dir, err := fs.Sub(schema, "sql")
	if err != nil {
		return fmt.Errorf("embedded schema: %w", err)
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, dir)
	if err != nil {
		return fmt.Errorf("read schema: %w", err)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

func dsn(path string, readOnly bool) string {
	q := url.Values{}
	for _, p := range []string{"journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)", "busy_timeout(5000)", "secure_delete(1)", "trusted_schema(0)", "cell_size_check(1)", "mmap_size(0)"} {
		q.Add("_pragma", p)
	}
	q.Set("_txlock", "immediate")
	if readOnly {
		q.Add("_pragma", "query_only(1)")
	}
	return "file:" + path + "?" + q.Encode()
}
