package readback_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/geo"
	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/permissions/readback"
)

func (w *world) stands(b geo.E164, n int) []permissions.Pair {
	pairs := crowd(b, n)
	w.ledger.set(func(l *ledger) {
		if l.standing == nil {
			l.standing = map[geo.E164][]permissions.Pair{}
		}
		l.standing[b] = pairs
	})
	return pairs
}

func usersOf(pairs []permissions.Pair) []permissions.User {
	users := make([]permissions.User, 0, len(pairs))
	for _, p := range pairs {
		users = append(users, p.User)
	}
	return users
}

func TestReconcileAsksAboutEveryStandingPair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		pairs := w.stands(eightNumber, 501) // more than two pages
		w.eight.took = 500 * time.Millisecond
		began := time.Now()
		asked, failed, err := w.Reconcile(t.Context(), eightNumber)
		require.NoError(t, err)
		require.Equal(t, []int{501, 0}, []int{asked, failed})
		require.ElementsMatch(t, usersOf(pairs), w.eight.users())
		require.Len(t, w.ledger.heard(), 501)
		for _, h := range w.ledger.heard() {
			require.Equal(t, permissions.DoubtReconcile, h.why)
		}
		require.InDelta(t, 501.0/5, time.Since(began).Seconds(), 5, "at the rate, however slow the answers are")
		require.LessOrEqual(t, w.eight.most, 4)
		require.Empty(t, w.meta.questions())
		_, _, err = w.Reconcile(t.Context(), "+4930901820")
		require.ErrorIs(t, err, readback.ErrBusiness)
		_, _, err = w.Reconcile(t.Context(), "nonsense")
		require.ErrorIs(t, err, readback.ErrBusiness)
	})
}

// A dial that comes in the middle of a reconcile run is asked about next.
func TestADialGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.stands(eightNumber, 100)
		w.doubt(onEight, permissions.DoubtUnsigned)
		ended := make(chan error, 1)
		go func() {
			_, _, err := w.Reconcile(t.Context(), eightNumber)
			ended <- err
		}()
		time.Sleep(5*time.Second + 50*time.Millisecond)
		before := len(w.eight.questions())
		began := time.Now()
		require.NoError(t, w.Before(t.Context(), onEight))
		require.LessOrEqual(t, time.Since(began), 200*time.Millisecond)
		require.Equal(t, ann, w.eight.users()[before], "no question of the run went before it")
		_, _, err := w.Reconcile(t.Context(), eightNumber)
		require.ErrorIs(t, err, readback.ErrReconciling)
		require.NoError(t, <-ended)
		require.Len(t, w.eight.questions(), 101)
	})
}

func TestReconcileCountsWhatCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		pairs := w.stands(eightNumber, 50)
		w.eight.refuse = func(u permissions.User) error {
			if u == pairs[7].User || u == pairs[31].User {
				return errors.New("invalid MSISDN (code 1002, status 400)")
			}
			return nil
		}
		w.eight.fail = []error{errDown, errDown, &tooOftenError{wait: 30 * time.Second}, errDown} // and then it recovers
		began := time.Now()
		asked, failed, err := w.Reconcile(t.Context(), eightNumber)
		require.NoError(t, err)
		require.Equal(t, []int{50, 2}, []int{asked, failed})
		require.Len(t, w.ledger.heard(), 48)
		require.Len(t, w.eight.questions(), 50+4+2*2, "the four once more, the two in three rounds")
		require.Greater(t, time.Since(began), 30*time.Second, "the pause that was asked for is kept")
		require.NotContains(t, w.logs.String(), "910000")
	})
}

func TestReconcileEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.stands(eightNumber, 1000)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second+100*time.Millisecond)
		defer cancel()
		_, _, err := w.Reconcile(ctx, eightNumber)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.InDelta(t, 51, len(w.eight.questions()), 1)
	})
}

func TestReconcileOfAProviderThatIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.stands(eightNumber, 1000)
		w.eight.err = errDown
		_, _, err := w.Reconcile(t.Context(), eightNumber)
		require.ErrorIs(t, err, readback.ErrUnreachable)
		require.Less(t, len(w.eight.questions()), 50, "it is not asked a thousand times in vain")
		w.stands(eightNumber, 2)
		asked, failed, err := w.Reconcile(t.Context(), eightNumber)
		require.ErrorIs(t, err, readback.ErrUnreachable)
		require.Equal(t, []int{2, 2}, []int{asked, failed})
		w.ledger.set(func(l *ledger) { l.err = errLocked })
		_, _, err = w.Reconcile(t.Context(), eightNumber)
		require.ErrorIs(t, err, errLocked)
	})
}

// run runs the reader until the returned function ends it.
func (w *world) run(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	return func() {
		cancel()
		require.NoError(t, <-ended)
	}
}

func TestRefusedIsAskedAboutInTheBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for range 100 {
			w.Refused(onEight)
		}
		w.Refused(permissions.Pair{Business: eightNumber, User: bob})
		w.Refused(permissions.Pair{Business: "+4930901820", User: bob})
		stop := w.run(t)
		time.Sleep(time.Second)
		require.Equal(t, []permissions.User{ann, bob}, w.eight.users())
		for _, h := range w.ledger.heard() {
			require.Equal(t, permissions.DoubtRefused, h.why)
		}
		w.Refused(onEight)
		time.Sleep(time.Second)
		require.Len(t, w.eight.questions(), 3, "a second refusal is a second question")
		w.eight.set(func(p *provider) { p.err = errDown })
		w.Refused(onEight)
		time.Sleep(time.Minute)
		require.Len(t, w.eight.questions(), 4, "what fails is left to the next dial")
		stop()
	})
}

func TestTooManyRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for _, p := range crowd(eightNumber, 1001) {
			w.Refused(p)
		}
		require.Contains(t, w.logs.String(), "too many refused calls")
		stop := w.run(t)
		time.Sleep(10 * time.Minute)
		require.Len(t, w.eight.questions(), 1000)
		stop()
	})
}

func TestAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.stands(eightNumber, 3)
		stop := w.run(t)
		time.Sleep(10*time.Minute + time.Second)
		stop()
		require.Equal(t, 21, w.ledger.beats(), "every 30 s and at the start")
		require.Empty(t, w.eight.questions(), "the first start of all is no outage")
	})
}

func TestOutages(t *testing.T) {
	for _, c := range []struct {
		name        string
		outage      time.Duration
		eight, meta int
	}{
		{"a restart", 20 * time.Second, 0, 0},
		{"within the retries of both", 130 * time.Second, 0, 0},
		{"beyond those of 8x8", 132 * time.Second, 3, 0},
		{"ten minutes", 10 * time.Minute, 3, 0},
		{"seven days", 7 * 24 * time.Hour, 3, 0},
		{"eight days", 8 * 24 * time.Hour, 3, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.stands(eightNumber, 3)
				w.stands(metaNumber, 5)
				stop := w.run(t)
				time.Sleep(time.Second)
				stop()
				time.Sleep(c.outage - time.Second)
				w.open(t)
				stop = w.run(t)
				time.Sleep(5 * time.Minute)
				stop()
				require.Equal(t, []int{c.eight, c.meta}, []int{len(w.eight.questions()), len(w.meta.questions())})
			})
		})
	}
}

// A machine that was paused, or a clock that was set: the timers do not see it,
// the wall clock does.
func TestPausedMachine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.stands(eightNumber, 3)
		w.stands(metaNumber, 5)
		var paused atomic.Int64
		cfg := readback.Config{
			Ledger: w.ledger, Now: func() time.Time { return time.Now().Add(time.Duration(paused.Load())) },
			Accounts: []readback.Account{
				{Name: "acme-8x8", Business: eightNumber, Source: w.eight, Retries: eightRetries},
				{Name: "acme-meta", Business: metaNumber, Source: w.meta, Retries: metaRetries},
			},
		}
		var err error
		w.Reader, err = readback.New(cfg)
		require.NoError(t, err)
		stop := w.run(t)
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		paused.Store(int64(time.Hour))
		time.Sleep(time.Minute)
		require.Len(t, w.eight.questions(), 3)
		require.Empty(t, w.meta.questions())
		synctest.Wait()
		paused.Store(0) // the clock is set back
		time.Sleep(10 * time.Minute)
		require.Len(t, w.eight.questions(), 3)
		stop()
	})
}

// A clock that was set back while nobody was running hides how long that was.
func TestAnOutageOfUnknownLength(t *testing.T) {
	for _, c := range []struct {
		back  time.Duration
		asked int
	}{{30 * time.Second, 0}, {time.Hour, 3}} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.stands(eightNumber, 3)
			w.ledger.set(func(l *ledger) { l.last = time.Now().Add(c.back) })
			stop := w.run(t)
			time.Sleep(5 * time.Minute)
			stop()
			require.Len(t, w.eight.questions(), c.asked)
		})
	}
}

// A ledger that cannot be written takes no webhooks either.
func TestALedgerThatWasLockedIsAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.stands(eightNumber, 3)
		stop := w.run(t)
		time.Sleep(time.Minute)
		w.ledger.set(func(l *ledger) { l.err = errLocked })
		time.Sleep(10 * time.Minute)
		require.Empty(t, w.ledger.heard())
		w.ledger.set(func(l *ledger) { l.err = nil })
		time.Sleep(20 * time.Minute)
		require.Len(t, w.ledger.heard(), 3)
		stop()
	})
}

// A run that a crash cut off is made by the next process; one that broke off
// because the provider was down goes on where it was.
func TestARunIsOwedUntilItIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		pairs := w.stands(eightNumber, 500)
		w.ledger.last = time.Now()
		time.Sleep(time.Hour)
		stop := w.run(t)
		time.Sleep(50 * time.Second) // 250 questions: the first page and some
		stop()
		require.Zero(t, w.ledger.beats(), "no beat before the run is done")
		require.InDelta(t, 250, len(w.eight.questions()), 2)

		w.open(t)
		w.eight.set(func(p *provider) { p.asked = nil })
		stop = w.run(t)
		time.Sleep(50 * time.Second)
		w.eight.set(func(p *provider) { p.err = errDown })
		time.Sleep(30 * time.Minute)
		require.Zero(t, w.ledger.beats())
		w.eight.set(func(p *provider) { p.err, p.asked = nil, nil })
		time.Sleep(30 * time.Minute)
		stop()
		users := w.eight.users()
		require.ElementsMatch(t, usersOf(pairs[200:]), users, "the page that broke off and the last")
		require.False(t, slices.Contains(users, pairs[0].User))
		require.Positive(t, w.ledger.beats())
		require.NotContains(t, w.logs.String(), "+6591000")
	})
}

// A dial does not wait for its pair's turn in a run, nor rely on what the outage
// may have changed.
func TestADialDuringARunIsAskedAbout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		pairs := w.stands(eightNumber, 500)
		w.ledger.last = time.Now()
		time.Sleep(time.Hour)
		stop := w.run(t)
		time.Sleep(10 * time.Second)
		last := pairs[499]
		for range 3 {
			require.NoError(t, w.Before(t.Context(), last))
		}
		require.NoError(t, w.Before(t.Context(), onMeta))
		require.Empty(t, w.meta.questions(), "no run is owed to this account")
		asked := 0
		for _, u := range w.eight.users() {
			if u == last.User {
				asked++
			}
		}
		require.Equal(t, 1, asked)
		time.Sleep(10 * time.Minute)
		n := len(w.eight.questions())
		require.NoError(t, w.Before(t.Context(), last))
		require.Len(t, w.eight.questions(), n, "the run is done")
		stop()
	})
}

func TestARunIsGivenUpAfterADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.stands(eightNumber, 1)
		w.eight.err = errDown
		w.ledger.last = time.Now()
		time.Sleep(time.Hour)
		stop := w.run(t)
		time.Sleep(23 * time.Hour)
		require.Zero(t, w.ledger.beats())
		asked := len(w.eight.questions())
		require.Greater(t, asked, 24)
		require.Less(t, asked, 1000)
		time.Sleep(2 * time.Hour)
		require.Positive(t, w.ledger.beats())
		require.Contains(t, w.logs.String(), "given up")
		stop()
	})
}
