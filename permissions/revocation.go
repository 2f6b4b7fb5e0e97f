package permissions

import (
	"context"
	"time"

	"github.com/callctl/callctl/compliance/audit"
)

// Revocation is handed out when an event narrows permission: to
// [Config.RevokeTx] within the transaction and to [Config.OnRevoked] after its
// commit. An opt-out narrows every pair of the user; there is one Revocation for
// each that the ledger knows, that of the event's own pair first, and at least
// one even when there is none.
type Revocation struct {
	Pair      Pair // Business is "" when the user is known to none
	Subject   string
	Event     string // id of the event behind it
	Reason    Reason // PermissionDeclined, PermissionRevoked or DoNotCall
	DoNotCall bool   // the user opted out: of everything, or as far as Scope says
	At        time.Time
	Account   string // that the event came through, "" when it came from no provider
	// Addresses are all addresses of the user, Pair.User among them: a live call
	// may be under another than the event.
	Addresses []User
	// Origin is true for the pair that the event itself names; the other pairs
	// of an opt-out follow from it.
	Origin bool
	// Message is the id of the Messaged event that an opt-out was read from, ""
	// when it came another way. It decides whether there is anything to confirm.
	Message string
	// Scope is how far an opt-out reaches, ScopeAll for every business: then there
	// is a revocation for each pair. With ScopeBrand there is one for each pair of
	// the Brand, and with ScopePurpose one for each pair of the Brand whose calls of
	// Purpose only end. "" when no opt-out is behind it: then Pair is all.
	Scope   Scope
	Brand   string
	Purpose string
}

// hand gives a revocation to who depends on it. One that only repeats what holds
// already goes to OnRevoked alone: nothing depends on the pair any more, and a
// call that escaped is worth a second hang-up.
func (l *Ledger) hand(ctx context.Context, tx *audit.Tx, r Revocation, repeats bool) error {
	if l.cfg.RevokeTx != nil && !repeats {
		if err := l.cfg.RevokeTx(ctx, tx, r); err != nil {
			return err
		}
	}
	if l.cfg.OnRevoked != nil {
		tx.OnCommit(func() { l.cfg.OnRevoked(r) })
	}
	return nil
}
