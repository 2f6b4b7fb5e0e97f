// Package readback asks providers for the state of a permission when it matters:
// before a dial that rests on a doubtful grant, after an ambiguous refusal, and
// for every standing pair after an outage longer than the provider's retries.
//
// It decides nothing: what the provider says becomes events of the ledger, and
// the gate decides by them.
package readback

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/callctl/callctl/geo"
	"github.com/callctl/callctl/permissions"
)

var errSkeleton = errors.New("readback: not built yet")

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

// Source is a provider's permission query (protocol: Meta call_permissions, 8x8
// callPermissions).
type Source interface {
	ReadPermission(ctx context.Context, user permissions.User) (permissions.ProviderState, error)
}

// Account is one of our numbers and how to ask about it.
type Account struct {
	Name     string
	Business geo.E164
	Source   Source
	// Rate is how many questions a second the provider takes; 5 for Meta.
	Rate float64
	// Retries is how long the provider keeps trying to deliver a webhook: 7 days
	// for Meta, 131 s for 8x8. A longer outage is followed by a reconcile run.
	Retries time.Duration
}

// Config is what a Reader needs.
type Config struct {
	Ledger   Ledger
	Accounts []Account
	Patience time.Duration // longest wait of [Reader.Before], 3 s when zero
	Now      func() time.Time
	Logger   *slog.Logger
}

// Reader reads permissions back. Safe for concurrent use.
type Reader struct{ cfg Config }

// New checks cfg; it starts nothing.
func New(cfg Config) (*Reader, error) { return &Reader{cfg: cfg}, nil }

// Before asks the provider about a pair when a dial of it now would rest on a
// doubtful grant, and records what it says. It is never in the way: when the
// provider cannot be asked in time nothing is recorded, and the gate refuses what
// it must. Questions about one pair at a time are asked once.
func (r *Reader) Before(_ context.Context, _ permissions.Pair) error { return errSkeleton }

// Refused asks soon, in the background of [Reader.Run], about a pair that the
// provider refused to call. It does not block.
func (r *Reader) Refused(_ permissions.Pair) {}

// Reconcile asks about every standing pair of a business, within its rate, and
// returns how many it asked about and how many could not be read. Who gave the
// webhooks up for a time (a maintenance, a wrong secret) can call it by hand.
func (r *Reader) Reconcile(_ context.Context, _ geo.E164) (asked, failed int, err error) {
	return 0, 0, errSkeleton
}

// Run notes every 30 s that we are alive, reconciles the accounts that an outage
// (found at start, or as a gap between two ticks) may have cost webhooks, and asks
// what [Reader.Refused] wants asked, until ctx ends.
func (r *Reader) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}
