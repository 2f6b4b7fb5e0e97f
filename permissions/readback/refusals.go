package readback

import (
	"context"
	"sync"

	"github.com/callctl/callctl/permissions"
)

// maxRefused bounds the refused pairs that wait for their question.
const maxRefused = 1000

// refusals is the queue of pairs that the provider refused to call, each at most
// once.
type refusals struct {
	wake chan struct{}

	mu      sync.Mutex
	waiting map[permissions.Pair]bool
	queue   []permissions.Pair
}

func newRefusals() *refusals {
	return &refusals{wake: make(chan struct{}, 1), waiting: map[permissions.Pair]bool{}}
}

// add queues a pair, unless it waits already; false when the queue is full.
func (r *refusals) add(p permissions.Pair) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waiting[p] {
		return true
	}
	if len(r.queue) >= maxRefused {
		return false
	}
	r.waiting[p] = true
	r.queue = append(r.queue, p)
	select {
	case r.wake <- struct{}{}:
	default:
	}
	return true
}

// next takes the oldest pair, waiting for one; false when ctx ends.
func (r *refusals) next(ctx context.Context) (permissions.Pair, bool) {
	for {
		if p, ok := r.take(); ok {
			return p, ctx.Err() == nil
		}
		select {
		case <-r.wake:
		case <-ctx.Done():
			return permissions.Pair{}, false
		}
	}
}

func (r *refusals) take() (permissions.Pair, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.queue) == 0 {
		return permissions.Pair{}, false
	}
	p := r.queue[0]
	r.queue = append(r.queue[:0], r.queue[1:]...)
	delete(r.waiting, p)
	return p, true
}
