package readback_test

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/geo"
	"github.com/callctl/callctl/permissions"
)

// Whatever comes together, the provider's rate is kept and no question of a
// reconcile run goes between a dial's arrival and its question.
func TestTurns(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			dice := rand.New(rand.NewPCG(seed, 0))
			all := crowd(eightNumber, 200)
			dials, standing := all[:40], all[40:]
			w.ledger.standing = map[geo.E164][]permissions.Pair{eightNumber: standing}
			for _, p := range dials {
				w.doubt(p, permissions.DoubtUnsigned)
			}
			for range dice.IntN(4) {
				w.eight.fail = append(w.eight.fail, &tooOftenError{wait: time.Duration(dice.IntN(2000)) * time.Millisecond}, errDown)
			}
			w.eight.took = time.Duration(dice.IntN(700)) * time.Millisecond
			var (
				work    sync.WaitGroup
				mu      sync.Mutex
				arrived = map[permissions.User]time.Time{}
			)
			work.Go(func() { _, _, _ = w.Reconcile(t.Context(), eightNumber) })
			for _, p := range dials {
				wait := time.Duration(dice.IntN(30_000)) * time.Millisecond
				work.Go(func() {
					time.Sleep(wait)
					mu.Lock()
					arrived[p.User] = time.Now()
					mu.Unlock()
					_ = w.Before(t.Context(), p)
				})
			}
			work.Wait()
			asked := w.eight.questions()
			for i := 1; i < len(asked); i++ {
				require.GreaterOrEqual(t, asked[i].at.Sub(asked[i-1].at), 200*time.Millisecond-time.Microsecond, "seed %d", seed)
			}
			for i, q := range asked {
				came, dial := arrived[q.user]
				if !dial {
					continue
				}
				for _, before := range slices.Backward(asked[:i]) {
					if !before.at.After(came) {
						break
					}
					_, other := arrived[before.user]
					require.True(t, other, "seed %d: a question of the run went before a dial that waited", seed)
				}
			}
		})
	}
}
