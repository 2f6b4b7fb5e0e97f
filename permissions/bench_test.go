package permissions_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
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

// BenchmarkDecision is a dry run over a database of many users, another one each
// time, and what memory the process has after them and after as many new users as
// fit into a second. With CALLCTL_BENCH_DIR the first run only fills the database.
func BenchmarkDecision(b *testing.B) {
	users := population(b)
	f, filled := newPopulated(b, users, 100*time.Hour)
	if filled && os.Getenv("CALLCTL_BENCH_DIR") != "" {
		b.Skip("the database is filled: run again")
	}
	const warm = 20_000
	for i := range warm {
		f.check(b, stranger(users-1-i%users, users))
	}
	var took []time.Duration
	for i := 0; b.Loop(); i++ {
		p := stranger(i, users)
		began := time.Now()
		d, err := f.Check(b.Context(), permissions.Query{Pair: p})
		took = append(took, time.Since(began))
		require.NoError(b, err)
		require.True(b, d.Allow, d.Reason)
	}
	quantiles(b, took)
	b.ReportMetric(float64(users), "users")
	if !filled {
		b.ReportMetric(memory(b, "VmRSS"), "rss-MB")
		for i := range 5_000 {
			p := permissions.Pair{Business: metaNumber, User: permissions.User(fmt.Sprintf("+659%07d", i))}
			f.record(b, f.grant(fmt.Sprint("g", time.Now().UnixNano()), p))
		}
		b.ReportMetric(memory(b, "VmRSS"), "rss-ingested-MB")
		b.ReportMetric(memory(b, "VmHWM"), "peak-MB")
	}
}

// memory is a figure of proc_pid_status(5) of the process, in megabytes.
func memory(b *testing.B, field string) float64 {
	b.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0 // not Linux
	}
	_, rest, found := strings.Cut(string(status), field+":")
	require.True(b, found)
	kb, err := strconv.Atoi(strings.Fields(rest)[0])
	require.NoError(b, err)
	return float64(kb) * 1024 / 1e6
}

// BenchmarkSweep is the end of all grants of a population at once, while a user opts
// out every 10 ms and the write-ahead log is copied back as the daemon does: how
// long the transactions of the sweep and of the opt-outs held the writer, from begin
// to the end of the commit, and how long an opt-out took until it was durable.
func BenchmarkSweep(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		users := population(b)
		f, _ := newPopulated(b, users, time.Hour)
		f.advance(2 * time.Hour)
		var holds []time.Duration
		f.held = func(d time.Duration) { holds = append(holds, d) }
		ctx, cancel := context.WithCancel(b.Context())
		checkpoints := make(chan error)
		go func() { checkpoints <- f.db.RunCheckpoints(ctx) }()
		stopped := make(chan []time.Duration)
		go func() { stopped <- f.optOuts(ctx, b) }()
		b.StartTimer()
		began := time.Now()
		s, err := f.Sweep(b.Context())
		took := time.Since(began)
		b.StopTimer()
		cancel()
		optedOut := <-stopped
		require.NoError(b, err)
		require.NoError(b, <-checkpoints)
		require.Equal(b, users, s.Expired)
		slices.Sort(holds)
		slices.Sort(optedOut)
		report := func(took []time.Duration, perMille int, unit string) {
			b.ReportMetric(float64(took[(len(took)-1)*perMille/1000].Microseconds())/1000, unit)
		}
		report(holds, 500, "hold-p50-ms")
		report(holds, 999, "hold-p99.9-ms")
		report(holds, 1000, "hold-max-ms")
		report(optedOut, 500, "optout-p50-ms")
		report(optedOut, 990, "optout-p99-ms")
		report(optedOut, 1000, "optout-max-ms")
		over := slices.IndexFunc(holds, func(d time.Duration) bool { return d > 20*time.Millisecond })
		if over < 0 {
			over = len(holds)
		}
		b.ReportMetric(float64(len(holds)-over), "holds-over-20ms")
		b.ReportMetric(float64(len(holds)), "transactions")
		b.ReportMetric(float64(users)/took.Seconds(), "grants/s")
		b.StartTimer()
	}
}

// optOuts lets another user opt out every 10 ms until ctx ends, and returns how long
// each took.
func (f *fixture) optOuts(ctx context.Context, b *testing.B) (took []time.Duration) {
	b.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return took
		case <-tick.C:
		}
		p := permissions.Pair{Business: metaNumber, User: permissions.User(fmt.Sprintf("+659%07d", i))}
		began := time.Now()
		if _, err := f.Record(context.WithoutCancel(ctx), f.says(fmt.Sprint("stop", i), p, "stop calls")); err != nil {
			b.Error(err)
		}
		took = append(took, time.Since(began))
	}
}
