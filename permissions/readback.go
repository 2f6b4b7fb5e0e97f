package permissions

import (
	"context"
	"time"

	"github.com/callctl/callctl/geo"
)

// Doubt says why a provider should be asked before a dial.
type Doubt string

// The doubts.
const (
	NoDoubt        Doubt = ""
	DoubtUnsigned  Doubt = "unsigned"  // the grant came by a grade that the pack wants read back
	DoubtAge       Doubt = "age"       // the grant, or what was read last, is older than grant.read_back_after
	DoubtRefused   Doubt = "refused"   // the provider refused a call although the grant stands here (138006, SIP 403)
	DoubtUnheard   Doubt = "unheard"   // nothing is granted here, and the provider does not forward automatic grants
	DoubtReconcile Doubt = "reconcile" // an outage may have swallowed webhooks
)

// Doubtful says whether a dial of the pair now should be preceded by a read-back.
// It is NoDoubt where no read-back could lead to a dial (an opt-out stands).
func (l *Ledger) Doubtful(_ context.Context, _ Pair) (Doubt, error) { return NoDoubt, errSkeleton }

// Read records what the provider said about a pair at a time, in one transaction.
// It never overwrites: a confirmation is a ReadBack event; a permission that the
// provider does not know any more becomes Revoked; one that the ledger does not
// know becomes an automatic Granted, which overcomes no opt-out; a limit that
// differs from the rule pack's becomes [Drift]. All carry AuthReadBack.
func (l *Ledger) Read(_ context.Context, _ Pair, _ ProviderState, _ Doubt) error { return errSkeleton }

// Standing lists the pairs of a business that a reconcile run asks about: those
// with a grant that has not ended and those with a request that can still be
// answered (7 days), by cursor.
func (l *Ledger) Standing(_ context.Context, _ geo.E164, _ Page) (pairs []Pair, next string, err error) {
	return nil, "", errSkeleton
}

// Alive notes that the process runs and its webhooks are open; LastAlive is when
// it last was, zero for never. They are how an outage is known after it.
func (l *Ledger) Alive(_ context.Context) error { return errSkeleton }

// LastAlive is the time of the last [Ledger.Alive], zero for never.
func (l *Ledger) LastAlive(_ context.Context) (time.Time, error) { return time.Time{}, errSkeleton }
