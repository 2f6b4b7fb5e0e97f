package audit

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"
)

// A transaction is shared by the writers that wait for it, because the disk takes
// as long to make one of them durable as all of them. These bound how many it
// takes in, so that the last of them and whoever comes next wait for milliseconds.
const (
	maxBatch     = 256
	maxBatchTime = 3 * time.Millisecond
)

// batch is one transaction of the database and the writers that share it. It
// belongs to the one whose turn it is.
type batch struct {
	log     *Log
	conn    *sql.Conn
	began   time.Time
	members int       // whose work is in the transaction
	now     time.Time // of the newest member
	edge    frontier  // of the tree with the members' entries
	grown   bool
	hashes  []storedHash // of the members' entries, not yet written
	lost    error        // the transaction is gone, with all members' work

	done chan struct{} // closed when the outcome is known
	err  error         // nil when the transaction is durable; read after done
}

// storedHash is a row of the tree.
type storedHash struct {
	pos  int64
	hash [32]byte
}

// begin opens a transaction; the caller has the turn.
func (l *Log) begin(ctx context.Context) (*batch, error) {
	edge, err := l.standing()
	if err != nil {
		return nil, err
	}
	conn, err := l.cfg.Write.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	began := time.Now()
	if _, err := conn.ExecContext(ctx, sqlBegin); err != nil {
		return nil, errors.Join(fmt.Errorf("begin: %w", err), conn.Close())
	}
	return &batch{log: l, conn: conn, began: began, edge: edge, done: make(chan struct{})}, nil
}

// isLost says whether the transaction is gone already.
func (b *batch) isLost() bool { return b.lost != nil }

// takesMore says whether another writer may join.
func (b *batch) takesMore() bool {
	return !b.isLost() && b.members < maxBatch && time.Since(b.began) < b.log.batchTime
}

// run lets f do its work as the newest member. When f fails, or panics, nothing of
// it is left and the others' work stands.
func (b *batch) run(ctx context.Context, f func(ctx context.Context, tx *Tx) error) (hooks []func(), err error) {
	// The first member's work is undone with the transaction; only those who come
	// after it need a point to go back to.
	if b.members > 0 {
		if _, err := b.conn.ExecContext(ctx, sqlSavepoint); err != nil {
			return nil, b.lose(ctx, err)
		}
	}
	tx := b.tx()
	kept := false
	defer func() {
		tx.end()
		if kept {
			return
		}
		if lost := b.undo(ctx, tx.failure); lost != nil {
			err = errors.Join(err, lost)
		}
	}()
	if err := f(ctx, tx); err != nil {
		return nil, err
	}
	if tx.end(); tx.failure != nil {
		return nil, tx.failure
	}
	if b.members > 0 {
		if _, err := b.conn.ExecContext(ctx, sqlRelease); err != nil {
			return nil, b.lose(ctx, err)
		}
	}
	kept = true
	b.members++
	b.edge, b.hashes = tx.edge, append(b.hashes, tx.hashes...)
	b.grown = b.grown || len(tx.hashes) > 0
	return tx.hooks, nil
}

// tx is the newest member's view of the transaction.
func (b *batch) tx() *Tx {
	now := b.log.cfg.Now().UTC().Truncate(time.Millisecond)
	if now.Before(b.now) { // the clock was set back
		now = b.now
	}
	b.now = now
	return &Tx{conn: b.conn, log: b.log, now: now, edge: b.edge.clone()}
}

// undo takes back what the newest member has written, after what it saw fail, if
// anything. The error is of the transaction, when it is gone altogether; the
// others learn it by the outcome.
func (b *batch) undo(ctx context.Context, failure error) error {
	switch {
	case b.isLost():
		return nil
	case b.members == 0:
		b.lost = errNothing
		rollback(ctx, b.conn)
		return nil
	}
	for _, query := range []string{sqlRollbackTo, sqlRelease} {
		if _, err := b.conn.ExecContext(ctx, query); err != nil {
			return b.lose(ctx, errors.Join(failure, err))
		}
	}
	return nil
}

// lose gives the transaction up: SQLite rolls it back by itself when the disk is
// full or fails (sqlite.org/lang_transaction.html), and then nobody's work is left.
func (b *batch) lose(ctx context.Context, err error) error {
	b.lost = fmt.Errorf("transaction lost: %w", err)
	rollback(ctx, b.conn)
	return b.lost
}

// rollback ends a transaction, and the connection with it when it cannot.
func rollback(ctx context.Context, conn *sql.Conn) {
	_, err := conn.ExecContext(ctx, sqlRollback)
	if err != nil && resultCode(err) != resultError { // by which SQLite says that there is none any more
		_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	}
}

// commit makes the work of all members durable, or of none, and tells them.
func (b *batch) commit(ctx context.Context) {
	b.err = b.lost
	if b.lost == nil {
		b.err = b.end(ctx)
	}
	if b.err == nil && b.grown {
		b.log.grow(b.edge)
	}
	_ = b.conn.Close() // to the pool
	if b.log.cfg.Held != nil {
		b.log.cfg.Held(time.Since(b.began))
	}
	close(b.done)
}

func (b *batch) end(ctx context.Context) error {
	if err := b.writeHashes(ctx); err != nil {
		return b.lose(ctx, err)
	}
	if _, err := b.conn.ExecContext(ctx, sqlCommit); err != nil {
		rollback(ctx, b.conn)
		return b.log.commitFailed(err)
	}
	return nil
}

// hashesAtOnce is how many rows of the tree one statement writes.
const hashesAtOnce = 16

// writeHashes adds the members' part of the tree: once for all of them, because
// the rows lie side by side and a statement costs more than a row.
func (b *batch) writeHashes(ctx context.Context) error {
	rest := b.hashes
	for len(rest) > 0 {
		query, n := sqlInsertHash, 1
		if len(rest) >= hashesAtOnce {
			query, n = sqlInsertHashes, hashesAtOnce
		}
		args := make([]any, 0, 2*n)
		for i := range rest[:n] {
			args = append(args, rest[i].pos, rest[i].hash[:])
		}
		if _, err := b.conn.ExecContext(ctx, query, args...); err != nil {
			return fmt.Errorf("store the tree: %w", err)
		}
		rest = rest[n:]
	}
	return nil
}
