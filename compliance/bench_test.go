package compliance

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/compliance/audit"
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
