package audit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// insideUpdate marks the context of an Update's function.
type insideUpdate struct{ log *Log }

// Update runs f in the one write transaction and commits it durably; when f or
// the commit fails, or f panics, nothing remains. Waiters of [Log.Wait] are woken
// after the commit, then the OnCommit hooks run, on the caller's goroutine.
//
// ctx bounds the wait for the writer. Once the transaction has begun its end no
// longer depends on ctx: the context given to f carries ctx's values but neither
// its deadline nor its cancellation, because SQLite would roll back an
// interrupted transaction under f's feet. Cancelled work is committed or not as
// f's error says.
func (l *Log) Update(ctx context.Context, f func(ctx context.Context, tx *Tx) error) error {
	if in, ok := ctx.Value(insideUpdate{l}).(bool); ok && in {
		return ErrNested
	}
	select {
	case l.writing <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("wait for the writer: %w", ctx.Err())
	}
	hooks, err := func() ([]func(), error) {
		defer func() { <-l.writing }()
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		return l.transact(context.WithValue(context.WithoutCancel(ctx), insideUpdate{l}, true), f)
	}()
	if err != nil {
		return err
	}
	for _, hook := range hooks {
		hook()
	}
	return nil
}

// transact runs one transaction; the caller holds the writer's token.
func (l *Log) transact(ctx context.Context, f func(ctx context.Context, tx *Tx) error) ([]func(), error) {
	edge, err := l.begin()
	if err != nil {
		return nil, err
	}
	inner, err := l.cfg.Write.BeginTx(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	ended := false
	defer func() {
		if !ended { // f failed or panicked
			_ = inner.Rollback()
		}
	}()
	tx := &Tx{
		Tx:    inner,
		log:   l,
		now:   l.cfg.Now().UTC().Truncate(time.Millisecond),
		edge:  edge,
		stmts: l.stmt.in(ctx, inner),
	}
	if err := f(ctx, tx); err != nil {
		return nil, err
	}
	if tx.failure != nil {
		return nil, tx.failure
	}
	ended = true
	if err := inner.Commit(); err != nil {
		return nil, l.commitFailed(errors.Join(err, ignoreDone(inner.Rollback())))
	}
	l.committed(tx)
	return tx.hooks, nil
}

func (l *Log) begin() (frontier, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.edge.clone(), l.failed
}

func (l *Log) committed(tx *Tx) {
	if !tx.grown {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.edge = tx.edge
	close(l.changed)
	l.changed = make(chan struct{})
}

// The primary result codes of SQLite after which a transaction is known not to
// have been committed, and a later one may succeed.
const (
	codeBusy = 5
	codeFull = 13
)

// commitFailed makes the log refuse everything after a commit whose outcome is
// unknown: an fsync that failed once may report success the second time without
// the bytes being there.
func (l *Log) commitFailed(err error) error {
	var code interface{ Code() int }
	if errors.As(err, &code) && (code.Code()&0xff == codeBusy || code.Code()&0xff == codeFull) {
		return fmt.Errorf("commit: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed == nil {
		close(l.broken)
	}
	l.failed = fmt.Errorf("%w: %w", ErrFailed, err)
	return l.failed
}

func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return err
}

// Wait blocks until an entry with an index greater than after is committed.
func (l *Log) Wait(ctx context.Context, after int64) error {
	for {
		l.mu.Lock()
		last, changed := l.edge.size-1, l.changed
		l.mu.Unlock()
		if last > after {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
