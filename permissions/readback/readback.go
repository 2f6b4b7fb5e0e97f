// Package readback asks providers for the state of a permission when it matters:
// before a dial that rests on a doubtful grant, after an ambiguous refusal, and
// for every standing pair after an outage longer than the provider's retries.
//
// It decides nothing: what the provider says becomes events of the ledger, and
// the gate decides by them.
package readback

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/callctl/callctl/geo"
	"github.com/callctl/callctl/permissions"
)

// Ledger is what the reader asks of the permission ledger; *permissions.Ledger is
// one.
type Ledger interface {
	Doubtful(ctx context.Context, p permissions.Pair) (permissions.Doubt, error)
	Read(ctx context.Context, p permissions.Pair, s permissions.ProviderState, why permissions.Doubt) error
	Standing(ctx context.Context, business geo.E164, p permissions.Page) (pairs []permissions.Pair, next string, err error)
	Alive(ctx context.Context) error
	LastAlive(ctx context.Context) (time.Time, error)
}

var _ Ledger = (*permissions.Ledger)(nil)

// Source is a provider's permission query (Meta, "user call permissions"; 8x8,
// "call permissions"). An error that was made by asking too often is a
// [Throttled].
type Source interface {
	ReadPermission(ctx context.Context, user permissions.User) (permissions.ProviderState, error)
}

// Account is one of our numbers and how to ask about it.
type Account struct {
	Name     string
	Business geo.E164
	Source   Source
	// Rate is how many questions a second the provider takes; 5 for Meta, and when
	// it is zero. Questions are spread evenly.
	Rate float64
	// Retries is how long the provider keeps trying to deliver a webhook: 7 days
	// for Meta, 131 s for 8x8. A longer outage is followed by a reconcile run; one
	// of less than a minute never is.
	Retries time.Duration
}

// Config is what a Reader needs.
type Config struct {
	Ledger   Ledger
	Accounts []Account
	Patience time.Duration // longest wait of [Reader.Before], 3 s when zero
	Now      func() time.Time
	Logger   *slog.Logger
	// Asked hears of every question after its answer was recorded or failed; it
	// must not block. Nil is allowed.
	Asked func(Question)
}

// Question is one question to a provider and what came of it. It names no user.
type Question struct {
	Account string
	Why     permissions.Doubt
	Status  permissions.Status // the answer, "" when there was none
	Err     error              // why there was no answer, or why it was not recorded
	Took    time.Duration      // with the wait for the account's turn
}

// defaultPatience and defaultRate are what a zero Config and Account take.
const (
	defaultPatience = 3 * time.Second
	defaultRate     = 5
)

// Reader reads permissions back. Safe for concurrent use.
type Reader struct {
	cfg   Config
	desks map[geo.E164]*desk
}

// New checks cfg; it starts nothing. Errors wrap [ErrConfig].
func New(cfg Config) (*Reader, error) {
	if cfg.Ledger == nil {
		return nil, fmt.Errorf("%w: Ledger is needed", ErrConfig)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Patience <= 0 {
		cfg.Patience = defaultPatience
	}
	if cfg.Asked == nil {
		cfg.Asked = func(Question) {}
	}
	r := &Reader{cfg: cfg, desks: make(map[geo.E164]*desk, len(cfg.Accounts))}
	for _, a := range cfg.Accounts {
		if err := r.add(a); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (r *Reader) add(a Account) error {
	number, err := geo.Parse(string(a.Business))
	switch {
	case err != nil:
		return fmt.Errorf("%w: account %q: its number is no E.164 number", ErrConfig, a.Name)
	case a.Source == nil:
		return fmt.Errorf("%w: account %q has no Source", ErrConfig, a.Name)
	case a.Rate < 0:
		return fmt.Errorf("%w: account %q: Rate is negative", ErrConfig, a.Name)
	case a.Retries < 0:
		return fmt.Errorf("%w: account %q: Retries is negative", ErrConfig, a.Name)
	}
	if other, twice := r.desks[number]; twice {
		return fmt.Errorf("%w: accounts %q and %q have one number", ErrConfig, other.account.Name, a.Name)
	}
	if a.Rate == 0 {
		a.Rate = defaultRate
	}
	a.Business = number
	r.desks[number] = newDesk(a, &r.cfg)
	return nil
}

// Before asks the provider about a pair when a dial of it now would rest on a
// doubtful grant, and records what it says. It is never in the way: when the
// provider cannot be asked in time nothing is recorded, and the gate refuses what
// it must; the error, which is logged here, says why. Questions about one pair at
// a time are asked once, and a dial's question goes before those of a reconcile
// run. While such a run is owed to the account every dial is asked about, because
// its pair may not have had its turn. Where the answer settles nothing, as when
// nothing is granted here nor there ([permissions.DoubtUnheard]), the next question
// comes after 3 minutes at the earliest, or after [Reader.Called].
func (r *Reader) Before(ctx context.Context, p permissions.Pair) error {
	p = p.Canonical()
	d, ok := r.desks[p.Business]
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Patience)
	defer cancel()
	return d.flights.do(ctx, p, func(ctx context.Context) error { return d.beforeDial(ctx, p) })
}

// Ask asks the provider about a pair in the turn of a dial, whether or not there is
// a doubt, and records what it says: for a person who wants to know now. It waits
// as long as ctx allows. Errors are those of the [Source] or the [Ledger],
// [ErrPaused], or [ErrBusiness].
func (r *Reader) Ask(ctx context.Context, p permissions.Pair) (permissions.ProviderState, error) {
	p = p.Canonical()
	d, ok := r.desks[p.Business]
	if !ok {
		return permissions.ProviderState{}, ErrBusiness
	}
	return d.ask(ctx, p, permissions.DoubtReconcile, true)
}

// Refused asks soon, in the background of [Reader.Run], about a pair that the
// provider refused to call. It does not block. Each pair is asked about once
// however often it is refused in between; of more than 1,000 that wait the newest
// is dropped, and asked about by [Reader.Before].
func (r *Reader) Refused(p permissions.Pair) {
	p = p.Canonical()
	d, ok := r.desks[p.Business]
	if !ok {
		return
	}
	if !d.refused.add(p) {
		r.cfg.Logger.Warn("too many refused calls wait for a read-back: one is left to the next dial",
			"account", d.account.Name, "pair", p)
	}
}

// Called tells that the user has called the business, which is when providers
// grant automatically: the next [Reader.Before] asks even if the provider has
// just said that nothing is granted.
func (r *Reader) Called(p permissions.Pair) {
	p = p.Canonical()
	if d, ok := r.desks[p.Business]; ok {
		d.recent.forget(p)
	}
}

// Reconcile asks about every standing pair of a business, within its rate, and
// returns how many it asked about and how many could not be read. Who gave the
// webhooks up for a time (a maintenance, a wrong secret) can call it by hand.
// Errors wrap [ErrBusiness], [ErrReconciling], or [ErrUnreachable] when the
// provider or the ledger does not answer at all; then the rest was not asked.
func (r *Reader) Reconcile(ctx context.Context, business geo.E164) (asked, failed int, err error) {
	number, err := geo.Parse(string(business))
	if err != nil {
		return 0, 0, ErrBusiness
	}
	d, ok := r.desks[number]
	if !ok {
		return 0, 0, ErrBusiness
	}
	var s survey
	err = d.reconcile(ctx, &s)
	return s.asked, s.failed, err
}

// Run notes every 30 s that we are alive, reconciles the accounts that an outage
// (found at start, or as a gap between two ticks) may have cost webhooks, and asks
// what [Reader.Refused] wants asked, until ctx ends. While a reconcile run is owed
// nothing is noted, so that a crash in the middle of it leads to it again. It
// starts when webhooks can arrive, and runs once.
func (r *Reader) Run(ctx context.Context) error {
	var working sync.WaitGroup
	for _, d := range r.desks {
		working.Go(func() { d.answerRefused(ctx) })
		working.Go(func() { d.payOwed(ctx) })
	}
	r.watch(ctx)
	working.Wait()
	return nil
}
