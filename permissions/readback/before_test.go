package readback_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/geo"
	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/permissions/readback"
)

// desk is a reader over a ledger and two providers in memory.
type world struct {
	*readback.Reader

	ledger      *ledger
	eight, meta *provider
	logs        bytes.Buffer
	asked       []readback.Question
	mu          sync.Mutex
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		ledger: &ledger{doubts: map[permissions.Pair]permissions.Doubt{}},
		eight:  &provider{state: permissions.ProviderState{Status: permissions.StatusTemporary, Expires: time.Now().Add(time.Hour)}},
		meta:   &provider{state: permissions.ProviderState{Status: permissions.StatusTemporary, Expires: time.Now().Add(time.Hour)}},
	}
	w.open(t)
	return w
}

// open makes the reader, as a process does at its start.
func (w *world) open(t *testing.T) {
	t.Helper()
	var err error
	w.Reader, err = readback.New(readback.Config{
		Ledger: w.ledger,
		Accounts: []readback.Account{
			{Name: "acme-8x8", Business: eightNumber, Source: w.eight, Rate: 5, Retries: eightRetries},
			{Name: "acme-meta", Business: metaNumber, Source: w.meta, Retries: metaRetries},
		},
		Logger: slog.New(slog.NewTextHandler(&w.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Asked: func(q readback.Question) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.asked = append(w.asked, q)
		},
	})
	require.NoError(t, err)
}

func (w *world) doubt(p permissions.Pair, why permissions.Doubt) {
	w.ledger.set(func(l *ledger) { l.doubts[p] = why })
}

func TestConfig(t *testing.T) {
	l := &ledger{}
	account := readback.Account{Name: "a", Business: eightNumber, Source: &provider{}}
	with := func(edit func(*readback.Account)) []readback.Account {
		a := account
		edit(&a)
		return []readback.Account{a}
	}
	for name, cfg := range map[string]readback.Config{
		"no ledger":        {Accounts: []readback.Account{account}},
		"no number":        {Ledger: l, Accounts: with(func(a *readback.Account) { a.Business = "6531234568x" })},
		"no source":        {Ledger: l, Accounts: with(func(a *readback.Account) { a.Source = nil })},
		"negative rate":    {Ledger: l, Accounts: with(func(a *readback.Account) { a.Rate = -1 })},
		"negative retries": {Ledger: l, Accounts: with(func(a *readback.Account) { a.Retries = -1 })},
		"one number twice": {Ledger: l, Accounts: []readback.Account{account, account}},
	} {
		_, err := readback.New(cfg)
		require.ErrorIs(t, err, readback.ErrConfig, name)
	}
	_, err := readback.New(readback.Config{Ledger: l, Accounts: []readback.Account{account}})
	require.NoError(t, err)
}

func TestBeforeAsksOnlyInDoubt(t *testing.T) {
	for _, why := range []permissions.Doubt{
		permissions.DoubtUnsigned, permissions.DoubtAge, permissions.DoubtRefused, permissions.DoubtUnheard,
	} {
		t.Run(string(why), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				require.NoError(t, w.Before(t.Context(), onEight), "no doubt")
				require.Empty(t, w.eight.questions())
				w.doubt(onEight, why)
				require.NoError(t, w.Before(t.Context(), permissions.Pair{Business: eightNumber, User: " +6591234567 "}))
				answer := w.eight.state
				answer.Asked = time.Now()
				require.Equal(t, []told{{onEight, answer, why}}, w.ledger.heard(), "the pair in its canonical form")
				require.Empty(t, w.meta.questions())
				require.NoError(t, w.Before(t.Context(), onEight))
				require.Len(t, w.eight.questions(), 1, "the answer settled it")
				require.Len(t, w.asked, 1)
				require.Equal(t, "acme-8x8", w.asked[0].Account)
				require.Equal(t, permissions.StatusTemporary, w.asked[0].Status)
				require.NoError(t, w.Before(t.Context(), permissions.Pair{Business: "+4930901820", User: ann}), "a number that is not ours")
			})
		})
	}
}

func TestAskByHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		state, err := w.Ask(t.Context(), onEight)
		require.NoError(t, err)
		require.Equal(t, permissions.StatusTemporary, state.Status)
		require.Equal(t, []told{{onEight, state, permissions.DoubtReconcile}}, w.ledger.heard())
		_, err = w.Ask(t.Context(), permissions.Pair{Business: "+4930901820", User: ann})
		require.ErrorIs(t, err, readback.ErrBusiness)
		w.eight.fail = []error{errDown}
		_, err = w.Ask(t.Context(), onEight)
		require.ErrorIs(t, err, errDown)
	})
}

func TestQuestionsAboutOnePairAreAskedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.eight.took = time.Second
		w.doubt(onEight, permissions.DoubtUnsigned)
		var dials sync.WaitGroup
		for range 50 {
			dials.Go(func() {
				if err := w.Before(t.Context(), onEight); err != nil {
					t.Error(err)
				}
			})
		}
		dials.Wait()
		require.Len(t, w.eight.questions(), 1)
		require.Len(t, w.ledger.heard(), 1)
	})
}

// Who gave up does not take the others with it.
func TestTheOthersOutlastWhoGaveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.eight.took = time.Second
		w.doubt(onEight, permissions.DoubtUnsigned)
		impatient, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		var dials sync.WaitGroup
		dials.Go(func() {
			if err := w.Before(impatient, onEight); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		})
		synctest.Wait()
		dials.Go(func() {
			if err := w.Before(t.Context(), onEight); err != nil {
				t.Error(err)
			}
		})
		dials.Wait()
		require.Len(t, w.eight.questions(), 2)
		require.Len(t, w.ledger.heard(), 1)
	})
}

func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.eight.took = time.Minute
		w.doubt(onEight, permissions.DoubtUnsigned)
		began := time.Now()
		require.ErrorIs(t, w.Before(t.Context(), onEight), context.DeadlineExceeded)
		require.Equal(t, 3*time.Second, time.Since(began))
		require.Empty(t, w.ledger.heard())
		require.Contains(t, w.logs.String(), "not read back")
		require.NotContains(t, w.logs.String(), "91234567", "numbers never reach a log")
	})
}

func TestErrorsAreReturnedAndNothingIsRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.doubt(onEight, permissions.DoubtUnsigned)
		w.eight.err = errDown
		require.ErrorIs(t, w.Before(t.Context(), onEight), errDown)
		require.ErrorIs(t, w.asked[0].Err, errDown)
		require.Empty(t, w.ledger.heard())
		w.eight.set(func(p *provider) { p.err = nil })
		w.ledger.set(func(l *ledger) { l.err = errLocked })
		require.ErrorIs(t, w.Before(t.Context(), onEight), errLocked)
		w.ledger.set(func(l *ledger) { l.err = nil })
		require.NoError(t, w.Before(t.Context(), onEight), "it recovers by itself")
		require.NotContains(t, w.logs.String(), "91234567")
	})
}

func TestNothingGrantedIsAskedForRarely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.eight.state = permissions.ProviderState{Status: permissions.StatusNone}
		w.doubt(onEight, permissions.DoubtUnheard)
		for range 10 {
			require.NoError(t, w.Before(t.Context(), onEight))
			time.Sleep(10 * time.Second)
		}
		require.Len(t, w.eight.questions(), 1)
		time.Sleep(81 * time.Second)
		require.NoError(t, w.Before(t.Context(), onEight))
		require.Len(t, w.eight.questions(), 2, "after three minutes it is")
		w.Called(onEight)
		require.NoError(t, w.Before(t.Context(), onEight))
		require.Len(t, w.eight.questions(), 3, "and after the user called")
		w.doubt(onEight, permissions.DoubtUnsigned)
		require.NoError(t, w.Before(t.Context(), onEight))
		require.Len(t, w.eight.questions(), 4, "and when a grant came")
	})
}

func TestWhatIsRememberedIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		const most = 10_000
		w.eight.state = permissions.ProviderState{Status: permissions.StatusNone}
		var err error
		w.Reader, err = readback.New(readback.Config{Ledger: w.ledger, Accounts: []readback.Account{
			{Name: "fast", Business: eightNumber, Source: w.eight, Rate: 1e6, Retries: eightRetries},
		}})
		require.NoError(t, err)
		pairs := crowd(eightNumber, most+1)
		for _, p := range pairs {
			w.doubt(p, permissions.DoubtUnheard)
			require.NoError(t, w.Before(t.Context(), p))
		}
		require.NoError(t, w.Before(t.Context(), pairs[1]))
		require.Len(t, w.eight.questions(), most+1)
		require.NoError(t, w.Before(t.Context(), pairs[0]))
		require.Len(t, w.eight.questions(), most+2, "the oldest was forgotten")
	})
}

func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var dials sync.WaitGroup
		for _, p := range crowd(metaNumber, 11) {
			w.doubt(p, permissions.DoubtAge)
			dials.Go(func() {
				if err := w.Before(t.Context(), p); err != nil {
					t.Error(err)
				}
			})
		}
		dials.Wait()
		asked := w.meta.questions()
		require.Len(t, asked, 11)
		for i := 1; i < len(asked); i++ {
			require.GreaterOrEqual(t, asked[i].at.Sub(asked[i-1].at), 200*time.Millisecond-time.Microsecond)
		}
		require.Equal(t, 2*time.Second, asked[10].at.Sub(asked[0].at).Round(time.Millisecond), "no slower than the rate")
	})
}

// A dial that cannot have its turn in time does not wait for it.
func TestTooManyDials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var dials sync.WaitGroup
		failed := make(chan error, 100)
		for _, p := range crowd(metaNumber, 100) {
			w.doubt(p, permissions.DoubtAge)
			dials.Go(func() { failed <- w.Before(t.Context(), p) })
		}
		began := time.Now()
		dials.Wait()
		require.LessOrEqual(t, time.Since(began), 3*time.Second)
		n := 0
		for range 100 {
			if <-failed == nil {
				n++
			}
		}
		require.InDelta(t, 15.5, n, 0.5, "what the rate allows in three seconds")
	})
}

func TestAPauseThatTheProviderWants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.doubt(onMeta, permissions.DoubtAge)
		w.meta.fail = []error{&tooOftenError{wait: 20 * time.Second}}
		require.Error(t, w.Before(t.Context(), onMeta))
		began := time.Now()
		require.ErrorIs(t, w.Before(t.Context(), onMeta), readback.ErrPaused)
		require.Zero(t, time.Since(began), "a dial does not wait for what it cannot have")
		require.Len(t, w.meta.questions(), 1)
		time.Sleep(22 * time.Second)
		require.NoError(t, w.Before(t.Context(), onMeta))
	})
}

// A pause of unknown length doubles, and ends with the first answer.
func TestAPauseOfUnknownLength(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.ledger.standing = map[geo.E164][]permissions.Pair{metaNumber: crowd(metaNumber, 1)}
		for range 8 {
			w.meta.fail = append(w.meta.fail, &tooOftenError{})
		}
		pairs := crowd(metaNumber, 1)
		w.doubt(pairs[0], permissions.DoubtAge)
		var last time.Time
		for i := 0; len(w.meta.fail) > 0; {
			_ = w.Before(t.Context(), pairs[0])
			if asked := w.meta.questions(); len(asked) > i {
				gap := asked[i].at.Sub(last)
				if i > 0 {
					longest := min(time.Second<<(i-1), time.Minute)
					require.GreaterOrEqual(t, gap, longest/2)
					require.LessOrEqual(t, gap, longest+100*time.Millisecond)
				}
				last = asked[i].at
				i++
			}
			time.Sleep(50 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		require.NoError(t, w.Before(t.Context(), pairs[0]))
		w.doubt(pairs[0], permissions.DoubtAge)
		w.meta.set(func(p *provider) { p.fail = []error{&tooOftenError{}} })
		time.Sleep(time.Second)
		require.Error(t, w.Before(t.Context(), pairs[0]))
		time.Sleep(time.Second)
		require.NoError(t, w.Before(t.Context(), pairs[0]), "the pauses begin again with the first")
	})
}

// A pause begins for the dials as well that had booked their turn before it.
func TestAPauseHoldsBackThoseWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		pairs := crowd(metaNumber, 10)
		for _, p := range pairs {
			w.doubt(p, permissions.DoubtAge)
		}
		w.meta.fail, w.meta.took = []error{&tooOftenError{wait: time.Minute}}, 100*time.Millisecond
		var dials sync.WaitGroup
		for _, p := range pairs {
			dials.Go(func() { _ = w.Before(t.Context(), p) })
		}
		dials.Wait()
		require.Len(t, w.meta.questions(), 1, "none while the provider wants to be left alone")
	})
}

// A provider that names an absurd pause must not silence the account for good.
func TestAPauseIsBounded(t *testing.T) {
	for _, wait := range []time.Duration{50 * 365 * 24 * time.Hour, math.MaxInt64} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.doubt(onMeta, permissions.DoubtAge)
			w.meta.fail = []error{&tooOftenError{wait: wait}}
			require.Error(t, w.Before(t.Context(), onMeta))
			time.Sleep(30 * time.Minute)
			require.ErrorIs(t, w.Before(t.Context(), onMeta), readback.ErrPaused)
			time.Sleep(time.Hour)
			require.NoError(t, w.Before(t.Context(), onMeta))
		})
	}
}
