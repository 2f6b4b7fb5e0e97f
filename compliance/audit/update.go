package audit

import (
	"context"
	"fmt"
)

// insideUpdate marks the context of an Update's function.
type insideUpdate struct{ log *Log }

// Update runs f in the one write transaction and commits it durably; when f or
// the commit fails, or f panics, nothing of it remains. Waiters of [Log.Wait] are
// woken after the commit, then the OnCommit hooks run, on the caller's goroutine.
//
// Updates that wait for each other share a transaction and its commit: each runs
// on its own goroutine, alone, after the one before it, and what it leaves is
// undone without the others' when it fails. A commit that fails, or a transaction
// that the database gave up, fails all of them: to each it is as if it had been
// the only one.
//
// ctx bounds the wait for the writer. Once f has begun its end no longer depends
// on ctx: the context given to f carries ctx's values but neither its deadline
// nor its cancellation, because SQLite would roll back an interrupted transaction
// under f's feet. Cancelled work is committed or not as f's error says.
func (l *Log) Update(ctx context.Context, f func(ctx context.Context, tx *Tx) error) error {
	if in, ok := ctx.Value(insideUpdate{l}).(bool); ok && in {
		return ErrNested
	}
	open, ok := l.turns.wait(ctx)
	if !ok {
		return fmt.Errorf("wait for the writer: %w", ctx.Err())
	}
	inner := context.WithValue(context.WithoutCancel(ctx), insideUpdate{l}, true)
	if err := ctx.Err(); err != nil {
		l.leave(inner, open)
		return err
	}
	b, hooks, err := l.join(inner, open, f)
	if err != nil {
		return err
	}
	<-b.done
	if b.err != nil {
		return b.err
	}
	for _, hook := range hooks {
		hook()
	}
	return nil
}

// join runs f in the open transaction, or in a new one, and ends the turn.
func (l *Log) join(ctx context.Context, open *batch, f func(ctx context.Context, tx *Tx) error) (*batch, []func(), error) {
	if open == nil {
		var err error
		if open, err = l.begin(ctx); err != nil {
			l.turns.pass(nil)
			return nil, nil, err
		}
	}
	defer l.leave(ctx, open) // also when f panics
	hooks, err := open.run(ctx, f)
	return open, hooks, err
}

// leave ends a turn: it hands the transaction to the next writer, or commits it
// when nobody waits or it has taken in enough.
func (l *Log) leave(ctx context.Context, open *batch) {
	if open != nil {
		if open.takesMore() && l.turns.pass(open) {
			return
		}
		open.commit(ctx)
	}
	l.turns.pass(nil)
}

// standing is the edge of the committed tree, and why nothing may follow it.
func (l *Log) standing() (frontier, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.edge.clone(), l.failed
}

// grow makes a committed tree the standing one and wakes who waits for it.
func (l *Log) grow(edge frontier) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.edge = edge
	close(l.changed)
	l.changed = make(chan struct{})
}

// commitFailed makes the log refuse everything after a commit whose outcome is
// unknown: an fsync that failed once may report success the second time without
// the bytes being there.
func (l *Log) commitFailed(err error) error {
	if c := resultCode(err); c == resultBusy || c == resultFull { // not committed, and a later one may succeed
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
