package permissions

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/geo"
)

// refreshAll refreshes every pair of a user, the event's own first.
func (l *Ledger) refreshAll(ctx context.Context, tx *audit.Tx, r *recording) error {
	businesses, err := column[geo.E164](ctx, tx, selectBusinesses, r.subject)
	if err != nil {
		return err
	}
	own := r.Pair.Business
	businesses = slices.DeleteFunc(businesses, func(b geo.E164) bool { return b == own })
	if own != "" || len(businesses) == 0 {
		businesses = slices.Insert(businesses, 0, own)
	}
	for _, b := range businesses {
		events, err := stateEvents(ctx, tx, r.subject, b)
		if err != nil {
			return err
		}
		if err := l.refresh(ctx, tx, r, b, events); err != nil {
			return err
		}
	}
	return nil
}

// refresh brings the stored projection of one pair up to date after an event and
// hands out a revocation when permission became narrower. Events are all of the
// pair, the new one among them.
func (l *Ledger) refresh(ctx context.Context, tx *audit.Tx, r *recording, business geo.E164, events []Event) error {
	h := fold(events)
	before, err := storedPair(ctx, tx, business, r.subject)
	if err != nil {
		return err
	}
	if business != "" {
		grant := ""
		if h.grant != nil {
			grant = h.grant.ID
		}
		_, err := tx.ExecContext(ctx, upsertPair, r.subject, string(business), grant, bit(h.optOut != nil), h.epoch, tx.Now().UnixMilli())
		if err != nil {
			return fmt.Errorf("store permission: %w", err)
		}
	}
	cause := h.narrowed(before, r.ID)
	if cause == nil {
		return nil
	}
	repeats := cause.Kind == OptedOut && before.doNotCall
	v := revocation(h, cause, r, business)
	if v.Addresses, err = aliasesOf(ctx, tx, r.subject); err != nil {
		return err
	}
	return l.hand(ctx, tx, v, repeats)
}

// storedState is what the projection said before an event.
type storedState struct {
	grant     string
	doNotCall bool
}

func storedPair(ctx context.Context, q querier, business geo.E164, subject string) (storedState, error) {
	var s storedState
	var listed int
	err := q.QueryRowContext(ctx, selectPair, string(business), subject).Scan(&s.grant, &listed)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return s, fmt.Errorf("read permission: %w", err)
	}
	s.doNotCall = listed != 0
	return s, nil
}

// narrowed returns the event that took permission away since before, nil when
// none did. The event just recorded counts whenever it is the one in force, also
// when nothing was left to take; an old one that newer events outweigh does not.
func (h *history) narrowed(before storedState, recorded string) *Event {
	switch {
	case h.optOut != nil && (!before.doNotCall || h.optOut.ID == recorded):
		return h.optOut
	case h.optOut == nil && h.grant == nil && h.bar != nil && (before.grant != "" || h.bar.ID == recorded):
		return h.bar
	}
	return nil
}

func revocation(h *history, cause *Event, r *recording, business geo.E164) Revocation {
	v := Revocation{
		Pair: Pair{Business: business, User: r.Pair.User}, Subject: r.subject, Event: cause.ID,
		Reason: barReason(cause), DoNotCall: h.optOut != nil, At: cause.At,
		Account: cause.Account, Origin: business == r.Pair.Business,
	}
	if v.DoNotCall {
		v.Reason, v.Message = DoNotCall, cause.Ref
	}
	return v
}

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
