package migrations

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"

	"modernc.org/sqlite"
)

// connector opens connections that keep the statements they have prepared.
type connector struct{ driver.Connector }

func newConnector(dsn string) (connector, error) {
	c, err := sqlite.NewConnector(dsn)
	if err != nil {
		return connector{}, fmt.Errorf("open database: %w", err)
	}
	return connector{c}, nil
}

// Connect opens one connection.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	inner, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	s, ok := inner.(session)
	if !ok {
		return nil, errors.Join(ErrDriver, inner.Close())
	}
	return &connection{session: s, kept: map[string]*statement{}}, nil
}

// session is what database/sql uses of a connection of the driver.
type session interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// connection is a connection of the driver that runs a repeated query by the
// statement that it prepared the first time: the driver alone has SQLite parse
// and plan every query again, which takes longer than running it. database/sql
// serialises all calls on a connection, its statements and its rows.
type connection struct {
	session

	kept map[string]*statement
	tick uint64
}

// maxStatements bounds the prepared statements of a connection. callctl has
// about two hundred queries; only lists of arguments make more.
const maxStatements = 256

// statement is a kept statement.
type statement struct {
	driver.Stmt

	busy bool   // rows of it are being read
	used uint64 // the tick of its last use
}

// ExecContext runs a query that returns no rows.
func (c *connection) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	s, err := c.take(ctx, query)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return c.session.ExecContext(ctx, query, args)
	}
	exec, ok := s.Stmt.(driver.StmtExecContext)
	if !ok {
		return nil, ErrDriver
	}
	r, err := exec.ExecContext(ctx, args)
	s.busy = false
	if err != nil {
		return nil, errors.Join(err, c.drop(query, s))
	}
	return r, nil
}

// QueryContext runs a query that returns rows.
func (c *connection) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	s, err := c.take(ctx, query)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return c.session.QueryContext(ctx, query, args)
	}
	ask, ok := s.Stmt.(driver.StmtQueryContext)
	if !ok {
		return nil, ErrDriver
	}
	r, err := ask.QueryContext(ctx, args)
	if err != nil {
		return nil, errors.Join(err, c.drop(query, s))
	}
	return &answer{Rows: r, conn: c, query: query, of: s}, nil
}

// Close finalises the kept statements and closes the connection.
func (c *connection) Close() error {
	var errs []error
	for query, s := range c.kept {
		errs = append(errs, c.drop(query, s))
	}
	return errors.Join(append(errs, c.session.Close())...)
}

// take returns the kept statement of a query, prepared now when there is none
// yet; nil when the query is to run without one.
func (c *connection) take(ctx context.Context, query string) (*statement, error) {
	c.tick++
	if s := c.kept[query]; s != nil {
		if s.busy { // its own rows are being read: a statement is one cursor
			return nil, nil //nolint:nilnil // no statement is an answer
		}
		s.busy, s.used = true, c.tick
		return s, nil
	}
	if !repeats(query) {
		return nil, nil //nolint:nilnil // no statement is an answer
	}
	prepared, err := c.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	s := &statement{Stmt: prepared, busy: true, used: c.tick}
	if len(c.kept) >= maxStatements {
		if err := c.forgetOne(); err != nil {
			return nil, errors.Join(err, prepared.Close())
		}
	}
	c.kept[query] = s
	return s, nil
}

// forgetOne drops the statement that was not used for the longest time.
func (c *connection) forgetOne() error {
	oldest, of := "", (*statement)(nil)
	for query, s := range c.kept {
		if !s.busy && (of == nil || s.used < of.used) {
			oldest, of = query, s
		}
	}
	if of == nil {
		return nil
	}
	return c.drop(oldest, of)
}

// drop finalises a statement.
func (c *connection) drop(query string, s *statement) error {
	if c.kept[query] == s {
		delete(c.kept, query)
	}
	return s.Close()
}

// answer is the rows of a kept statement, which is free again when they are closed.
type answer struct {
	driver.Rows

	conn  *connection
	query string
	of    *statement
}

// Close ends the reading.
func (a *answer) Close() error {
	if a.of == nil {
		return nil
	}
	s := a.of
	a.of = nil
	err := a.Rows.Close()
	s.busy = false
	if err != nil {
		return errors.Join(err, a.conn.drop(a.query, s))
	}
	return nil
}
