package server_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// BenchmarkWebhookToLedger measures a signed call permission reply from the
// handler's first byte to the 2xx, which follows the durable commit: signature,
// decoding, delivery row, ledger event, audit entry, fsync. Each delivery is of a
// user of its own, on a real database file.
func BenchmarkWebhookToLedger(b *testing.B) {
	for _, senders := range []int{1, 16} {
		b.Run(fmt.Sprintf("senders=%d", senders), func(b *testing.B) { benchmarkWebhook(b, senders) })
	}
}

func benchmarkWebhook(b *testing.B, senders int) {
	b.Helper()
	w := newWorld(b)
	h := w.server.Handler()
	bodies := make([][]byte, b.N)
	for i := range bodies {
		user := fmt.Sprintf("659%07d", i)
		bodies[i] = bytes.ReplaceAll(grant(fmt.Sprintf("wamid.B%d", i)), []byte("6591234567"), []byte(user))
	}
	took := make([]time.Duration, b.N)
	next := make(chan int, b.N)
	for i := range bodies {
		next <- i
	}
	close(next)
	b.ResetTimer()
	var wg sync.WaitGroup
	for range senders {
		wg.Go(func() {
			for i := range next {
				req := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/webhooks/meta/acme", bytes.NewReader(bodies[i]))
				req.Header.Set("X-Hub-Signature-256", sign(bodies[i]))
				rec := httptest.NewRecorder()
				began := time.Now()
				h.ServeHTTP(rec, req)
				took[i] = time.Since(began)
				if rec.Code != http.StatusOK {
					b.Errorf("delivery answered %d", rec.Code)
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	require.Equal(b, b.N, w.count(`SELECT count(*) FROM webhook_deliveries WHERE state = 'stored'`))
	require.Equal(b, b.N, w.count(`SELECT count(*) FROM audit_entries WHERE kind = 'permission.granted'`))
	slices.Sort(took)
	b.ReportMetric(float64(took[b.N/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[b.N*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
}
