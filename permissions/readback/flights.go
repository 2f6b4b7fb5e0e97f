package readback

import (
	"context"
	"fmt"
	"sync"

	"github.com/callctl/callctl/permissions"
)

// flights lets one question about a pair be under way at a time: who comes while
// it is waits for its end. The question runs in the goroutine of who asked first.
type flights struct {
	mu  sync.Mutex
	now map[permissions.Pair]*flight
}

type flight struct {
	done      chan struct{}
	err       error
	abandoned bool // who asked gave up: the others may have more patience
}

func newFlights() *flights { return &flights{now: map[permissions.Pair]*flight{}} }

// do runs ask, or waits for the one that is under way and returns its error.
func (f *flights) do(ctx context.Context, p permissions.Pair, ask func(context.Context) error) error {
	for {
		under, mine := f.join(p)
		if mine {
			return f.fly(ctx, p, under, ask)
		}
		select {
		case <-under.done:
			if !under.abandoned {
				return under.err
			}
		case <-ctx.Done():
			return fmt.Errorf("wait for the same question: %w", ctx.Err())
		}
	}
}

// join is the flight of the pair, and whether the caller is to fly it.
func (f *flights) join(p permissions.Pair) (*flight, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if under, ok := f.now[p]; ok {
		return under, false
	}
	under := &flight{done: make(chan struct{})}
	f.now[p] = under
	return under, true
}

func (f *flights) fly(ctx context.Context, p permissions.Pair, mine *flight, ask func(context.Context) error) error {
	mine.abandoned = true // unless ask returns
	defer func() {
		f.mu.Lock()
		delete(f.now, p)
		f.mu.Unlock()
		close(mine.done)
	}()
	err := ask(ctx)
	mine.err, mine.abandoned = err, ctx.Err() != nil && err != nil
	return err
}
