package audit_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/compliance/audit"
)

// BenchmarkUpdate is one durable transaction with one entry, on a file, with
// synchronous=FULL, while the WAL is copied back in the background.
func BenchmarkUpdate(b *testing.B) {
	h := openHouse(b, b.TempDir())
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- h.db.RunCheckpoints(ctx) }()
	payload := map[string]any{"callId": "0198c0de-0000-7000-8000-000000000000", "purpose": "delivery", "allow": true}
	took := make([]time.Duration, 0, b.N)
	for b.Loop() {
		start := time.Now()
		err := h.log.Update(ctx, func(ctx context.Context, tx *audit.Tx) error {
			_, err := tx.Append(ctx, audit.Record{Kind: "call.attempted", Subject: "s1", Payload: payload})
			return err
		})
		took = append(took, time.Since(start))
		require.NoError(b, err)
	}
	cancel()
	require.NoError(b, <-done)
	reportPercentiles(b, took)
}

// BenchmarkUpdateWriters is the same with many writers at once, which share
// commits, and how many times as fast as one alone that is, in the same run.
func BenchmarkUpdateWriters(b *testing.B) {
	for _, writers := range []int{1, 16, 128} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			h := openHouse(b, b.TempDir())
			ctx, cancel := context.WithCancel(b.Context())
			done := make(chan error, 1)
			go func() { done <- h.db.RunCheckpoints(ctx) }()
			const single = 1000
			alone := h.write(b, single, 1)
			b.ResetTimer()
			took := h.write(b, b.N, writers)
			elapsed := b.Elapsed()
			b.StopTimer()
			cancel()
			require.NoError(b, <-done)
			rate := float64(b.N) / elapsed.Seconds()
			b.ReportMetric(rate, "updates/s")
			b.ReportMetric(rate*sum(alone).Seconds()/single, "times-single")
			reportPercentiles(b, took)
		})
	}
}

// write makes n Updates of one entry each by some writers and returns how long
// each took.
func (h *house) write(b *testing.B, n, writers int) []time.Duration {
	b.Helper()
	payload := map[string]any{"callId": "0198c0de-0000-7000-8000-000000000000", "purpose": "delivery", "allow": true}
	took := make([]time.Duration, n)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				start := time.Now()
				err := h.log.Update(b.Context(), func(ctx context.Context, tx *audit.Tx) error {
					_, err := tx.Append(ctx, audit.Record{Kind: "call.attempted", Subject: fmt.Sprintf("s%d", i%1000), Payload: payload})
					return err
				})
				if took[i] = time.Since(start); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	return took
}

func sum(took []time.Duration) (all time.Duration) {
	for _, d := range took {
		all += d
	}
	return all
}

// BenchmarkFsync is what the disk itself takes, to read BenchmarkUpdate against.
func BenchmarkFsync(b *testing.B) {
	f := newSyncedFile(b, filepath.Join(b.TempDir(), "f"))
	page := make([]byte, 4096)
	var took []time.Duration
	for b.Loop() {
		start := time.Now()
		f(page)
		took = append(took, time.Since(start))
	}
	reportPercentiles(b, took)
}

func BenchmarkVerifyDatabase(b *testing.B) {
	h := openHouse(b, b.TempDir())
	const n = 10_000
	for range n / 500 {
		require.NoError(b, h.transact(b, 500, false))
	}
	for b.Loop() {
		_, err := audit.VerifyDatabase(b.Context(), h.db.Read, audit.Verification{Dir: h.config().Dir})
		require.NoError(b, err)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/n, "µs/entry")
}

// newSyncedFile returns a function that appends to a file and syncs it.
func newSyncedFile(b *testing.B, path string) func([]byte) {
	b.Helper()
	f, err := os.Create(path)
	require.NoError(b, err)
	b.Cleanup(func() { _ = f.Close() })
	return func(p []byte) {
		_, err := f.Write(p)
		require.NoError(b, err)
		require.NoError(b, f.Sync())
	}
}

func reportPercentiles(b *testing.B, took []time.Duration) {
	b.Helper()
	slices.Sort(took)
	at := func(p float64) float64 { return float64(took[int(p*float64(len(took)-1))].Microseconds()) }
	b.ReportMetric(at(0.50), "p50-µs")
	b.ReportMetric(at(0.99), "p99-µs")
}
