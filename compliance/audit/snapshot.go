package audit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Querier reads: a pool, a connection, a transaction or a snapshot.
type Querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Snapshot runs f over one consistent view of the database, on one connection of
// read, and waits for a connection until ctx ends. The context given to f carries
// ctx's values but not its end: f is for a few short reads, and database/sql
// starts a goroutine for every query that can be cancelled or is of an [sql.Tx].
// f closes its rows.
func Snapshot(ctx context.Context, read *sql.DB, f func(ctx context.Context, q Querier) error) error {
	conn, err := read.Conn(ctx)
	if err != nil {
		return fmt.Errorf("begin reading: %w", err)
	}
	inner := context.WithoutCancel(ctx)
	if _, err := conn.ExecContext(inner, sqlBeginReading); err != nil {
		return errors.Join(fmt.Errorf("begin reading: %w", err), conn.Close())
	}
	defer func() {
		rollback(inner, conn)
		_ = conn.Close() // to the pool
	}()
	return f(inner, conn)
}
