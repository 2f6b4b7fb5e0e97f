package audit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// scan calls f for every row of a query.
func scan(ctx context.Context, db Querier, query string, f func(*sql.Rows) error) error {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return fmt.Errorf("read log: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read log: %w", err)
	}
	return nil
}

// hashCursor reads stored hashes in order, without a query for each.
type hashCursor struct {
	rows *sql.Rows
	pos  int64 // of hash, when it holds one that was not asked for yet
	hash tlog.Hash
	held bool
}

// next returns the hash at pos; ok is false when there is none of 32 bytes there.
// Positions are asked for in increasing order.
func (c *hashCursor) next(pos int64) (h tlog.Hash, ok bool, err error) {
	for !c.held || c.pos < pos {
		if !c.rows.Next() {
			if err := c.rows.Err(); err != nil && !errors.Is(err, sql.ErrNoRows) {
				return h, false, fmt.Errorf("read tree: %w", err)
			}
			return h, false, nil
		}
		var b []byte
		if err := c.rows.Scan(&c.pos, &b); err != nil {
			return h, false, fmt.Errorf("read tree: %w", err)
		}
		c.held = len(b) == tlog.HashSize
		if c.held {
			c.hash = tlog.Hash(b)
		}
	}
	return c.hash, c.pos == pos, nil
}
