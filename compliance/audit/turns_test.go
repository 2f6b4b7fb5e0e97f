package audit

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// queue lets writers line up behind a turn that the test has, one after the other;
// each says its name when its turn comes, and ends it.
type queue struct {
	turns
	wg    sync.WaitGroup
	order []string // guarded by having the turn
}

func (q *queue) enter(t *testing.T, ctx context.Context, name string) { //nolint:revive // the test comes first
	t.Helper()
	before := q.waiting()
	q.wg.Go(func() {
		open, ok := q.wait(ctx)
		if !ok {
			return
		}
		q.order = append(q.order, name)
		q.pass(open)
	})
	require.Eventually(t, func() bool { return q.waiting() == before+1 }, 5*time.Second, 50*time.Microsecond)
}

func TestTurnsGoInOrder(t *testing.T) {
	q := &queue{}
	open, ok := q.wait(t.Context())
	require.True(t, ok)
	require.Nil(t, open)
	leaving, leave := context.WithCancel(t.Context())
	q.enter(t, t.Context(), "a")
	q.enter(t, leaving, "gone")
	q.enter(t, t.Context(), "b")
	q.enter(t, Ahead(t.Context()), "first")
	q.enter(t, Ahead(t.Context()), "second")
	leave()
	require.Eventually(t, func() bool { return q.waiting() == 4 }, 5*time.Second, 50*time.Microsecond)
	require.True(t, q.pass(nil))
	q.wg.Wait()
	require.Equal(t, []string{"first", "second", "a", "b"}, q.order)
	_, ok = q.wait(t.Context())
	require.True(t, ok, "the writer is free")
}

// Those that go ahead do not keep out those that stand in line.
func TestLineMovesWhileOthersGoAhead(t *testing.T) {
	q := &queue{}
	_, ok := q.wait(t.Context())
	require.True(t, ok)
	q.enter(t, t.Context(), "line")
	for range 3 * maxAhead {
		q.enter(t, Ahead(t.Context()), "ahead")
	}
	q.pass(nil)
	q.wg.Wait()
	require.Len(t, q.order, 3*maxAhead+1)
	require.Equal(t, "line", q.order[maxAhead])
}

// An open transaction stays with its writer when nobody waits, and a writer that
// is cancelled just as it is handed over still has it to hand on.
func TestOpenTransactionIsNeverLeftAlone(t *testing.T) {
	for range 200 {
		q := &turns{}
		_, ok := q.wait(t.Context())
		require.True(t, ok)
		b := &batch{}
		require.False(t, q.pass(b), "nobody waits")
		ctx, cancel := context.WithCancel(t.Context())
		got := make(chan *batch, 1)
		var wg sync.WaitGroup
		wg.Go(func() {
			open, had := q.wait(ctx)
			if !had {
				got <- nil
				return
			}
			got <- open
		})
		for q.waiting() == 0 {
			time.Sleep(10 * time.Microsecond)
		}
		wg.Go(cancel)
		passed := q.pass(b)
		wg.Wait()
		open := <-got
		require.Equal(t, passed, open == b, "handed over, or still with who had it")
	}
}
