package permissions_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/permissions"
)

// quantiles reports the median and the 99th percentile of what took.
func quantiles(b *testing.B, took []time.Duration) {
	b.Helper()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}

// BenchmarkRecord is one grant, durable on disk with its audit entry.
func BenchmarkRecord(b *testing.B) {
	f := newFixture(b)
	took := make([]time.Duration, 0, b.N)
	for i := 0; b.Loop(); i++ {
		p := permissions.Pair{Business: metaNumber, User: permissions.User(fmt.Sprintf("+659%07d", i))}
		e := f.grant(fmt.Sprint("g", i), p)
		began := time.Now()
		f.record(b, e)
		took = append(took, time.Since(began))
	}
	quantiles(b, took)
}

// BenchmarkAuthorize is one decision with its attempt, durable on disk.
func BenchmarkAuthorize(b *testing.B) {
	f := newFixture(b)
	var took []time.Duration
	for i := 0; b.Loop(); i++ {
		p := permissions.Pair{Business: metaNumber, User: permissions.User(fmt.Sprintf("+659%07d", i))}
		f.record(b, f.grant(fmt.Sprint("g", i), p))
		began := time.Now()
		ticket, d, err := f.Authorize(b.Context(), permissions.Attempt{Pair: p, CallID: fmt.Sprint("c", i)})
		took = append(took, time.Since(began))
		require.NoError(b, err)
		require.True(b, d.Allow)
		require.NoError(b, f.log.Update(b.Context(), func(ctx context.Context, tx *audit.Tx) error {
			return ticket.Settle(ctx, tx, permissions.OutcomeConnected)
		}))
	}
	quantiles(b, took)
}

// BenchmarkCheck is a dry run, which writes nothing.
func BenchmarkCheck(b *testing.B) {
	f := newFixture(b)
	f.record(b, f.grant("g", pair))
	var took []time.Duration
	for b.Loop() {
		began := time.Now()
		d, err := f.Check(b.Context(), permissions.Query{Pair: pair})
		took = append(took, time.Since(began))
		require.NoError(b, err)
		require.True(b, d.Allow)
	}
	quantiles(b, took)
}

// BenchmarkConfirm is the check right before the network.
func BenchmarkConfirm(b *testing.B) {
	f := newFixture(b)
	f.record(b, f.grant("g", pair))
	ticket, _ := f.authorize(b, pair, "c")
	var took []time.Duration
	for b.Loop() {
		began := time.Now()
		require.NoError(b, ticket.Confirm(b.Context()))
		took = append(took, time.Since(began))
	}
	quantiles(b, took)
}

// BenchmarkDecision is a dry run over a database of many users, a random one each
// time.
func BenchmarkDecision(b *testing.B) {
	f := newFixture(b)
	users := population(b)
	f.populate(b, users, f.clock().Add(100*time.Hour))
	r := rand.New(rand.NewPCG(1, 2))
	for range 2_000 { // warm
		f.check(b, citizen(r.IntN(users)))
	}
	var took []time.Duration
	for b.Loop() {
		p := citizen(r.IntN(users))
		began := time.Now()
		d, err := f.Check(b.Context(), permissions.Query{Pair: p})
		took = append(took, time.Since(began))
		require.NoError(b, err)
		require.True(b, d.Allow, d.Reason)
	}
	quantiles(b, took)
	b.ReportMetric(float64(users), "users")
}

// BenchmarkSweep is the end of all grants of a population at once, while a user opts
// out now and then.
func BenchmarkSweep(b *testing.B) {
	for b.Loop() {
		f := newFixture(b)
		users := population(b)
		f.populate(b, users, f.clock().Add(time.Hour))
		f.advance(2 * time.Hour)
		ctx, cancel := context.WithCancel(b.Context())
		checkpoints := make(chan error)
		go func() { checkpoints <- f.db.RunCheckpoints(ctx) }() // as the daemon does
		stopped := make(chan []time.Duration)
		go func() {
			var took []time.Duration
			for i := 0; ctx.Err() == nil; i++ {
				p := permissions.Pair{Business: metaNumber, User: permissions.User(fmt.Sprintf("+659%07d", i))}
				began := time.Now()
				_, err := f.Record(context.WithoutCancel(ctx), f.says(fmt.Sprint("stop", i), p, "stop calls"))
				if err != nil {
					b.Error(err)
				}
				took = append(took, time.Since(began))
				time.Sleep(10 * time.Millisecond)
			}
			stopped <- took
		}()
		began := time.Now()
		s, err := f.Sweep(b.Context())
		took := time.Since(began)
		cancel()
		quantiles(b, <-stopped)
		require.NoError(b, err)
		require.NoError(b, <-checkpoints)
		require.Equal(b, users, s.Expired)
		b.ReportMetric(float64(s.Longest.Microseconds()), "longest-hold-µs")
		b.ReportMetric(float64(users)/took.Seconds(), "grants/s")
	}
}
