package audit

import (
	"container/list"
	"context"
	"sync"
)

// maxAhead is how many writers that go ahead may pass one that waits in line.
const maxAhead = 8

// aheadOfLine marks the context of a writer that goes ahead.
type aheadOfLine struct{}

// Ahead returns a context under which an [Log.Update] does not stand in line
// behind the others that wait for the writer, only behind the transaction that
// is open: for what takes a permission away, while any number of deliveries
// waits. For every eight that go ahead one that stands in line is let in.
func Ahead(ctx context.Context) context.Context {
	return context.WithValue(ctx, aheadOfLine{}, true)
}

// turns lets one writer in at a time, in the order in which they came. A writer
// that leaves hands the open transaction, if there is one, to the next.
type turns struct {
	mu     sync.Mutex
	taken  bool
	ahead  list.List // of *turn
	line   list.List // of *turn
	passed int       // writers let in ahead since one of the line was
}

// turn is the place of a writer that waits.
type turn struct {
	ready chan *batch // has room for the one hand-over
	in    *list.List  // nil once it was the turn's turn
}

// wait returns when it is the caller's turn, with the transaction that is open or
// nil, or when ctx ends; then ok is false. Whoever got a turn has to end it with
// pass.
func (t *turns) wait(ctx context.Context) (open *batch, ok bool) {
	t.mu.Lock()
	if !t.taken {
		t.taken = true
		t.mu.Unlock()
		return nil, true
	}
	mine := &turn{ready: make(chan *batch, 1), in: &t.line}
	if first, _ := ctx.Value(aheadOfLine{}).(bool); first {
		mine.in = &t.ahead
	}
	place := mine.in.PushBack(mine)
	t.mu.Unlock()
	select {
	case open := <-mine.ready:
		return open, true
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if mine.in == nil { // it was handed over at the same moment
		return <-mine.ready, true
	}
	mine.in.Remove(place)
	return nil, false
}

// pass ends a turn and begins the next writer's, with the transaction that stays
// open, if any. It reports false when nobody waits and a transaction is open:
// then the turn has not ended.
func (t *turns) pass(open *batch) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	from := &t.line
	if t.ahead.Len() > 0 && (t.passed < maxAhead || t.line.Len() == 0) {
		from = &t.ahead
		t.passed++
	} else {
		t.passed = 0
	}
	first := from.Front()
	if first == nil {
		t.taken = open != nil
		return open == nil
	}
	next, _ := from.Remove(first).(*turn)
	next.in = nil
	next.ready <- open
	return true
}
