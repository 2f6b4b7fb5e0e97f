package compliance

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/permissions"
)

// packOf makes a pack of n entries and the export's own.
func packOf(tb testing.TB, n int) []byte {
	tb.Helper()
	h := newHouse(tb)
	require.NoError(tb, h.log.Update(tb.Context(), func(ctx context.Context, tx *audit.Tx) error {
		for i := range n {
			r := audit.Record{Kind: "decision.refused", Subject: "s-alice", Payload: map[string]any{"reason": "do_not_call", "n": i}}
			if _, err := tx.Append(ctx, r); err != nil {
				return err
			}
		}
		return nil
	}))
	_, pack := h.export(tb)
	return pack
}

// BenchmarkVerify is a pack of a thousand entries; promised is one second at most.
func BenchmarkVerify(b *testing.B) {
	pack := packOf(b, 1000)
	for b.Loop() {
		_, err := verify(pack, "")
		require.NoError(b, err)
	}
	b.ReportMetric(float64(len(pack)), "pack-bytes")
}

// BenchmarkExport is the making of such a pack, written and synced.
func BenchmarkExport(b *testing.B) {
	h := newHouse(b)
	require.NoError(b, h.log.Update(b.Context(), func(ctx context.Context, tx *audit.Tx) error {
		for range 1000 {
			if _, err := tx.Append(ctx, audit.Record{Kind: "decision.refused", Subject: "s-alice", Payload: "x"}); err != nil {
				return err
			}
		}
		return nil
	}))
	for b.Loop() {
		_, err := h.exporter.Export(b.Context(), alice, "ops")
		require.NoError(b, err)
	}
}

// BenchmarkImport is a list of 100,000 users, all of them new, from the file to
// the last durable entry, while every 20 ms somebody opts out by message. The
// figures of these opt-outs are what a list costs everybody else.
func BenchmarkImport(b *testing.B) {
	const rows = 100_000
	file := numbers(rows)
	for b.Loop() {
		d := &importDesk{house: openHouse(b, b.TempDir(), time.Now)}
		d.ledger = d.newLedger(b, nil)
		d.importer = d.newImporter(b, d.ledger)
		d.importer.cfg.Now = time.Now
		stop := run(b, d.importer)
		took := make(chan []time.Duration)
		ctx, cancel := context.WithCancel(b.Context())
		go func() { took <- d.optOuts(ctx, b) }()
		began := time.Now()
		report, err := d.importer.Import(b.Context(), strings.NewReader(file), ImportOptions{Actor: "ops", Reason: "x"})
		require.NoError(b, err)
		accepted := time.Since(began)
		for report.State != ImportApplied {
			time.Sleep(10 * time.Millisecond)
			report, err = d.importer.Get(b.Context(), report.ID)
			require.NoError(b, err)
		}
		applied := time.Since(began)
		cancel()
		waits := <-took
		stop()
		require.Equal(b, rows, report.Added)
		slices.Sort(waits)
		b.ReportMetric(rows/applied.Seconds(), "rows/s")
		b.ReportMetric(accepted.Seconds(), "answer-s")
		b.ReportMetric(float64(waits[len(waits)/2].Microseconds())/1000, "optout-p50-ms")
		b.ReportMetric(float64(waits[len(waits)*99/100].Microseconds())/1000, "optout-p99-ms")
		b.ReportMetric(float64(waits[len(waits)-1].Microseconds())/1000, "optout-max-ms")
	}
}

// optOuts lets a user opt out every 20 ms until ctx ends, and says how long each
// took to be durable.
func (d *importDesk) optOuts(ctx context.Context, tb testing.TB) (took []time.Duration) {
	tb.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return took
		case <-tick.C:
		}
		began := time.Now()
		_, err := d.ledger.Record(context.WithoutCancel(ctx), permissions.Event{
			ID: fmt.Sprint("meta/stop", n), Kind: permissions.Messaged, Text: "stop calls", At: began, Account: account,
			Pair: permissions.Pair{Business: business, User: permissions.User(fmt.Sprintf("+658%07d", n))}, Auth: permissions.AuthHMAC,
		})
		if err != nil {
			tb.Errorf("opt-out: %v", err)
			return took
		}
		took = append(took, time.Since(began))
	}
}
