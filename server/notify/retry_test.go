package notify

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/compliance/audit"
)

var auditAll = audit.Query{After: -1, Limit: 10000}

// wire is a receiver without sockets, so that hours pass at once.
type wire struct {
	mu     sync.Mutex
	tries  []time.Time
	bodies []string
	reply  func(try int) (status int, header http.Header, err error)
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(r.Body)
	_ = r.Body.Close()
	w.mu.Lock()
	w.tries, w.bodies = append(w.tries, time.Now()), append(w.bodies, string(body))
	status, header, err := w.reply(len(w.tries))
	w.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(&bytes.Buffer{}), Request: r}, nil
}

func (w *wire) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.tries)
}

func (w *wire) start(tb testing.TB, h *house) (*Notifier, func()) {
	tb.Helper()
	n := h.notifier(tb)
	n.client.Transport = w
	return n, start(tb, n)
}

func TestRetriesUntilTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		w := &wire{reply: func(try int) (int, http.Header, error) {
			switch {
			case try <= 3:
				return 500, nil, nil
			case try <= 6:
				return 0, nil, errors.New("reset")
			}
			return 200, nil, nil
		}}
		n, stop := w.start(t, h)
		s := h.subscribe(t, n, "https://example.com", "call.")
		index := h.add(t, "call.one")
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, 7, w.count())
		got := h.subscription(t, n, s.ID)
		require.Equal(t, index, got.Delivered)
		require.Equal(t, Active, got.State)
		require.Zero(t, got.FailingSince)
		require.Empty(t, got.Problem)
		stop()
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	for name, header := range map[string]func() string{
		"seconds": func() string { return "3600" },
		"date":    func() string { return time.Now().Add(time.Hour).UTC().Format(http.TimeFormat) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t)
				w := &wire{reply: func(try int) (int, http.Header, error) {
					if try == 1 {
						return 429, http.Header{"Retry-After": {header()}}, nil
					}
					return 204, nil, nil
				}}
				n, stop := w.start(t, h)
				h.subscribe(t, n, "https://example.com", "call.")
				h.add(t, "call.one")
				time.Sleep(time.Hour - 2*time.Second)
				synctest.Wait()
				require.Equal(t, 1, w.count())
				time.Sleep(4 * time.Second)
				synctest.Wait()
				require.Equal(t, 2, w.count())
				stop()
			})
		})
	}
}

// 72 hours are counted from the first failure, over restarts, and end with a
// disabled subscription and an entry of the log.
func TestGivesUpAfter72Hours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		w := &wire{reply: func(int) (int, http.Header, error) { return 404, nil, nil }}
		n, stop := w.start(t, h)
		s := h.subscribe(t, n, "https://example.com", "call.")
		h.add(t, "call.one")
		began := time.Now()
		time.Sleep(40 * time.Hour)
		synctest.Wait()
		got := h.subscription(t, n, s.ID)
		require.Equal(t, Failing, got.State)
		require.WithinDuration(t, began, got.FailingSince, time.Second)
		require.Equal(t, "answered 404", got.Problem)
		stop()
		n, stop = w.start(t, h)
		time.Sleep(31 * time.Hour)
		synctest.Wait()
		require.Equal(t, Failing, h.subscription(t, n, s.ID).State)
		time.Sleep(time.Hour + time.Minute)
		synctest.Wait()
		got = h.subscription(t, n, s.ID)
		require.Equal(t, Disabled, got.State)
		require.Equal(t, "not taken for 72 hours, last: answered 404", got.Problem)
		require.Equal(t, []string{kindCreated, "call.one", kindDisabled}, h.kinds(t))
		tries := w.count()
		require.Greater(t, tries, 140, "half an hour is the longest wait")
		require.Less(t, tries, 1000)
		w.mu.Lock()
		last := w.tries[len(w.tries)-1]
		w.mu.Unlock()
		require.WithinDuration(t, began.Add(giveUp), last, time.Minute, "the last try is made at the end")
		h.add(t, "call.two")
		time.Sleep(time.Hour)
		require.Equal(t, tries, w.count())
		stop()
	})
}

// A receiver that hangs costs five seconds a try, and stopping does not wait for
// a subscription that fails.
func TestStopWhileFailing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		w := &wire{reply: func(int) (int, http.Header, error) { return 503, nil, nil }}
		n, stop := w.start(t, h)
		h.subscribe(t, n, "https://example.com", "call.")
		h.add(t, "call.one")
		time.Sleep(10 * time.Hour)
		synctest.Wait()
		began, tries := time.Now(), w.count()
		stop()
		require.Zero(t, time.Since(began))
		require.Equal(t, tries, w.count())
	})
}

// Deleting ends the tries of a subscription that waits for its next.
func TestDeletedWhileFailing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		w := &wire{reply: func(int) (int, http.Header, error) { return 503, nil, nil }}
		n, stop := w.start(t, h)
		s := h.subscribe(t, n, "https://example.com", "call.")
		h.add(t, "call.one")
		time.Sleep(10 * time.Hour)
		require.NoError(t, n.Delete(t.Context(), s.ID, "ops"))
		synctest.Wait()
		tries := w.count()
		time.Sleep(10 * time.Hour)
		require.Equal(t, tries, w.count())
		stop()
	})
}

// The place in the log is kept now and then also when nothing is wanted.
func TestLongSilenceIsNotReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		w := &wire{reply: func(int) (int, http.Header, error) { return 204, nil, nil }}
		n, stop := w.start(t, h)
		s := h.subscribe(t, n, "https://example.com", "call.")
		kinds := make([]string, saveSkipped+page)
		for i := range kinds {
			kinds[i] = "message.received"
		}
		h.add(t, kinds...)
		synctest.Wait()
		require.GreaterOrEqual(t, h.subscription(t, n, s.ID).Delivered, int64(saveSkipped))
		require.Zero(t, w.count())
		stop()
	})
}

func TestRetryAfterForms(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for v, want := range map[string]time.Duration{
		"": 0, "0": 0, "-5": 0, "120": 2 * time.Minute, " 7 ": 7 * time.Second, "99999999999": giveUp, "soon": 0, "1.5": 0,
		"99999999999999999999":          0,
		"Sun, 22 Nov 2026 12:01:00 GMT": time.Minute,
		"Sun, 22 Nov 2020 12:01:00 GMT": 0,
		"Sun, 22 Nov 2099 12:01:00 GMT": giveUp,
	} {
		require.Equal(t, want, retryAfter(v, now), "%q", v)
	}
}

// Every wait lies between nothing and a bound that doubles from one second to
// half an hour.
func TestBackOffIsFullJitter(t *testing.T) {
	for range 200 {
		b := newBackOff()
		for bound := time.Second; bound < time.Hour; bound *= 2 {
			d := b.NextBackOff()
			require.GreaterOrEqual(t, d, time.Duration(0))
			require.LessOrEqual(t, d, min(bound, 30*time.Minute))
		}
	}
	spread := map[time.Duration]bool{}
	for range 50 {
		spread[newBackOff().NextBackOff()/(100*time.Millisecond)] = true
	}
	require.Greater(t, len(spread), 5)
}

func TestSleepEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, sleep(ctx, time.Hour), context.Canceled)
}

// What is erased between two tries is not sent by the second.
func TestErasedBetweenTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		w := &wire{reply: func(try int) (int, http.Header, error) {
			if try == 1 {
				return 503, http.Header{"Retry-After": {"3600"}}, nil
			}
			return 204, nil, nil
		}}
		n, stop := w.start(t, h)
		h.subscribe(t, n, "https://example.com", "call.")
		h.add(t, "call.one")
		time.Sleep(time.Minute)
		synctest.Wait()
		require.NoError(t, h.log.Update(t.Context(), func(ctx context.Context, tx *audit.Tx) error {
			for _, q := range []string{
				"UPDATE audit_entries SET sealed = NULL WHERE subject = 's-alice'",
				"UPDATE audit_subjects SET wrapped_key = NULL WHERE subject = 's-alice'",
			} {
				if _, err := tx.ExecContext(ctx, q); err != nil {
					return err
				}
			}
			_, err := tx.Append(ctx, audit.Record{Kind: audit.KindErased, Subject: "s-alice"})
			return err
		}))
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		stop()
		require.Len(t, w.bodies, 2)
		require.Contains(t, w.bodies[0], `"data":{"kind":"call.one"}`)
		require.NotContains(t, w.bodies[1], "data")
		require.Contains(t, w.bodies[1], `"type":"callctl.call.one"`)
	})
}

// Each entry's waits begin small again, however long the one before it took.
func TestWaitsBeginAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		const hard = 20
		w := &wire{reply: func(try int) (int, http.Header, error) {
			if try <= hard || try == hard+2 {
				return 500, nil, nil
			}
			return 204, nil, nil
		}}
		n, stop := w.start(t, h)
		h.subscribe(t, n, "https://example.com", "call.")
		h.add(t, "call.one", "call.two")
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		stop()
		require.Equal(t, hard+3, w.count())
		require.Greater(t, w.tries[hard].Sub(w.tries[0]), time.Hour)
		require.LessOrEqual(t, w.tries[hard+2].Sub(w.tries[hard+1]), time.Second)
	})
}
