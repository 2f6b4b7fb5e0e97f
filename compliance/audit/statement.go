package audit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// The primary result codes of SQLite (sqlite.org/rescode.html) that matter here.
const (
	resultError     = 1
	resultBusy      = 5
	resultNoMemory  = 7
	resultInterrupt = 9
	resultIO        = 10
	resultCorrupt   = 11
	resultFull      = 13
)

// resultCode is the primary result code of an error, 0 when it is none of SQLite's.
func resultCode(err error) int {
	var code interface{ Code() int }
	if !errors.As(err, &code) {
		return 0
	}
	return code.Code() & 0xff
}

// ExecContext runs a statement that returns no rows. The end of ctx does not
// interrupt it: the transaction belongs to others too.
func (tx *Tx) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if err := tx.usable(); err != nil {
		return nil, err
	}
	r, err := tx.conn.ExecContext(lasting(ctx), query, args...)
	tx.saw(err)
	return r, err
}

// QueryContext runs a query that returns rows. The end of ctx does not interrupt it.
func (tx *Tx) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if err := tx.usable(); err != nil {
		return nil, err
	}
	rows, err := tx.conn.QueryContext(lasting(ctx), query, args...)
	if err != nil {
		tx.saw(err)
		return nil, err
	}
	tx.rows = append(tx.rows, rows)
	return rows, nil
}

// QueryRowContext runs a query that returns one row. The end of ctx does not
// interrupt it. The row has to be scanned.
func (tx *Tx) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	if tx.usable() != nil { // a Row gets its error from a query only
		ended, end := context.WithCancel(ctx)
		end()
		return tx.conn.QueryRowContext(ended, query, args...)
	}
	row := tx.conn.QueryRowContext(lasting(ctx), query, args...)
	tx.saw(row.Err())
	return row
}

// usable says why the transaction takes no statement any more. It matters that
// none is run: when SQLite has rolled back, each would be committed by itself.
func (tx *Tx) usable() error {
	if tx.over {
		return sql.ErrTxDone
	}
	for _, rows := range tx.rows {
		tx.saw(rows.Err())
	}
	return tx.failure
}

// saw remembers an error after which SQLite may have rolled the transaction back
// (sqlite.org/lang_transaction.html, "Response To Errors Within A Transaction").
func (tx *Tx) saw(err error) {
	if err == nil || tx.failure != nil {
		return
	}
	switch resultCode(err) {
	case resultBusy, resultNoMemory, resultInterrupt, resultIO, resultCorrupt, resultFull:
		tx.failure = fmt.Errorf("the database failed within the transaction: %w", err)
	}
}

// end closes what the writer has left open.
func (tx *Tx) end() {
	if tx.over {
		return
	}
	for _, rows := range tx.rows {
		tx.saw(rows.Err())
		tx.saw(rows.Close())
	}
	tx.over = true
}

// lasting is ctx without its end.
func lasting(ctx context.Context) context.Context {
	if ctx.Done() == nil {
		return ctx
	}
	return context.WithoutCancel(ctx)
}
