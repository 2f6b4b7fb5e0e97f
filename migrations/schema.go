package migrations

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

//go:embed sql/*.sql
var schema embed.FS

const (
	sqlHasVersions = `SELECT COUNT(*) FROM sqlite_schema WHERE type = 'table' AND name = 'goose_db_version'`
	sqlVersion     = `SELECT COALESCE(MAX(version_id), 0) FROM goose_db_version`
)

// migrate brings the database forward, each step in a transaction of its own.
func migrate(ctx context.Context, db *sql.DB) error {
	p, err := provider(db)
	if err != nil {
		return err
	}
	if err := refuseNewer(ctx, db, p); err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

func provider(db *sql.DB) (*goose.Provider, error) {
	dir, err := fs.Sub(schema, "sql")
	if err != nil {
		return nil, fmt.Errorf("embedded schema: %w", err)
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, dir)
	if err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}
	return p, nil
}

// checkVersion refuses what [OpenReadOnly] cannot read.
func checkVersion(ctx context.Context, db *sql.DB) error {
	v, err := version(ctx, db)
	if err != nil {
		return err
	}
	if v == 0 {
		return ErrNoSchema
	}
	p, err := provider(db)
	if err != nil {
		return err
	}
	return refuseNewer(ctx, db, p)
}

func refuseNewer(ctx context.Context, db *sql.DB, p *goose.Provider) error {
	have, err := version(ctx, db)
	if err != nil {
		return err
	}
	sources := p.ListSources()
	if want := sources[len(sources)-1].Version; have > want {
		return fmt.Errorf("%w: its schema is %d, this binary knows %d", ErrNewerSchema, have, want)
	}
	return nil
}

// version is the newest applied migration, 0 for none.
func version(ctx context.Context, db *sql.DB) (v int64, err error) {
	var tables int
	if err := db.QueryRowContext(ctx, sqlHasVersions).Scan(&tables); err != nil {
		return 0, fmt.Errorf("read schema version: %w", err)
	}
	if tables == 0 {
		return 0, nil
	}
	if err := db.QueryRowContext(ctx, sqlVersion).Scan(&v); err != nil {
		return 0, fmt.Errorf("read schema version: %w", err)
	}
	return v, nil
}
