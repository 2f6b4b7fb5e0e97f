package server_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// BenchmarkWebhookIngest measures signed call permission replies from the
// handler's first byte to the 2xx, which follows the durable commit: signature,
// decoding, delivery row, ledger event, audit entry, fsync, while the write-ahead
// log is copied back as the daemon does. Each delivery is of a user of its own,
// on a real database file. Meanwhile somebody else opts out every 5 ms.
func BenchmarkWebhookIngest(b *testing.B) {
	for _, senders := range []int{1, 16, 64, 128} {
		b.Run(fmt.Sprintf("senders=%d", senders), func(b *testing.B) { benchmarkIngest(b, senders, throughHandler) })
	}
}

// BenchmarkWebhookIngestHTTP is the same over keep-alive connections on loopback;
// the senders take their part of the processors.
func BenchmarkWebhookIngestHTTP(b *testing.B) {
	for _, senders := range []int{16, 64} {
		b.Run(fmt.Sprintf("senders=%d", senders), func(b *testing.B) { benchmarkIngest(b, senders, throughSocket) })
	}
}

// post delivers a body and returns the status.
type post func(ctx context.Context, body []byte) int

func throughHandler(b *testing.B, w *world) post {
	b.Helper()
	h := w.server.Handler()
	return func(ctx context.Context, body []byte) int {
		req := httptest.NewRequestWithContext(ctx, http.MethodPost, "/webhooks/meta/acme", bytes.NewReader(body))
		req.Header.Set("X-Hub-Signature-256", sign(body))
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, req)
		return rec.Code
	}
}

func throughSocket(b *testing.B, w *world) post {
	b.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 1024}
	b.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Transport: transport}
	return func(ctx context.Context, body []byte) int {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL+"/webhooks/meta/acme", bytes.NewReader(body))
		if err != nil {
			return 0
		}
		req.Header.Set("X-Hub-Signature-256", sign(body))
		resp, err := client.Do(req)
		if err != nil {
			return 0
		}
		defer resp.Body.Close()
		return resp.StatusCode
	}
}

func benchmarkIngest(b *testing.B, senders int, by func(*testing.B, *world) post) {
	b.Helper()
	w := newWorld(b)
	deliver := by(b, w)
	ctx, cancel := context.WithCancel(b.Context())
	copying := make(chan error, 1)
	go func() { copying <- w.db.RunCheckpoints(ctx) }()
	bodies := make([][]byte, b.N)
	for i := range bodies {
		bodies[i] = of(grant(fmt.Sprintf("wamid.B%d", i)), i)
	}
	took := make([]time.Duration, b.N)
	next := make(chan int, b.N)
	for i := range bodies {
		next <- i
	}
	close(next)
	optedOut := make(chan []time.Duration, 1)
	b.ResetTimer()
	ingesting, ingested := context.WithCancel(ctx)
	go func() { optedOut <- optOuts(ingesting, b, deliver) }()
	var wg sync.WaitGroup
	for range senders {
		wg.Go(func() {
			for i := range next {
				began := time.Now()
				if code := deliver(ctx, bodies[i]); code != http.StatusOK {
					b.Errorf("delivery answered %d", code)
				}
				took[i] = time.Since(began)
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	ingested()
	stops := <-optedOut
	cancel()
	require.NoError(b, <-copying)
	require.Equal(b, b.N, w.count(`SELECT count(*) FROM audit_entries WHERE kind = 'permission.granted'`))
	require.Equal(b, b.N+len(stops), w.count(`SELECT count(*) FROM webhook_deliveries WHERE state = 'stored'`))
	require.Equal(b, len(stops), w.count(`SELECT count(*) FROM do_not_call`))
	percentile(b, took, 50, "p50-ms")
	percentile(b, took, 99, "p99-ms")
	percentile(b, stops, 99, "optout-p99-ms")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
}

// optOuts sends an opt-out of another user every 5 ms until ctx ends and returns
// how long each took to be acknowledged.
func optOuts(ctx context.Context, b *testing.B, deliver post) []time.Duration {
	b.Helper()
	var took []time.Duration
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		body := of(change("messages", value(phoneNumberID, text(fmt.Sprintf("wamid.S%d", i), "stop calls"))), 5_000_000+i)
		began := time.Now()
		if code := deliver(context.WithoutCancel(ctx), body); code != http.StatusOK {
			b.Errorf("opt-out answered %d", code)
		}
		took = append(took, time.Since(began))
		select {
		case <-ctx.Done():
			return took
		case <-tick.C:
		}
	}
}

// of makes a delivery of the customer one of user i.
func of(body []byte, i int) []byte {
	return bytes.ReplaceAll(body, []byte("6591234567"), fmt.Appendf(nil, "659%07d", i))
}

func percentile(b *testing.B, took []time.Duration, p int, unit string) {
	b.Helper()
	slices.Sort(took)
	b.ReportMetric(float64(took[(len(took)-1)*p/100].Microseconds())/1000, unit)
}
