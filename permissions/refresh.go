package permissions

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

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
		events, err := l.pairEvents(ctx, tx, r.subject, b)
		if err != nil {
			return err
		}
		before, err := storedPair(ctx, tx, b, r.subject)
		if err != nil {
			return err
		}
		h := fold(events)
		if err := l.refresh(ctx, tx, r, b, before, h); err != nil {
			return err
		}
		if !r.merged {
			continue
		}
		if err := l.repeatPurposes(ctx, tx, r, b, h); err != nil {
			return err
		}
	}
	return nil
}

// repeatPurposes hands out, after a merge, the opt-outs from calls of one purpose:
// one half of the person may still be called for it. They were confirmed when they
// were said.
func (l *Ledger) repeatPurposes(ctx context.Context, tx *audit.Tx, r *recording, business geo.E164, h *history) error {
	for _, purpose := range slices.Sorted(maps.Keys(h.purposes)) {
		v := l.revocation(h, h.purposes[purpose], r, business)
		v.Message = ""
		var err error
		if v.Addresses, err = aliasesOf(ctx, tx, r.subject); err != nil {
			return err
		}
		if err := l.hand(ctx, tx, v, false); err != nil {
			return err
		}
	}
	return nil
}

// refresh brings the stored projection of one pair up to date after an event and
// hands out a revocation when permission became narrower. H is the fold of all
// events of the pair, the new one among them.
func (l *Ledger) refresh(ctx context.Context, tx *audit.Tx, r *recording, business geo.E164, before storedState, h *history) error {
	if business != "" {
		if err := l.project(ctx, tx, r.subject, business, h); err != nil {
			return err
		}
	}
	cause := h.narrowed(before, &r.Event)
	if cause == nil {
		return nil
	}
	repeats := cause.Kind == OptedOut && before.doNotCall && h.covers(cause)
	v := l.revocation(h, cause, r, business)
	var err error
	if v.Addresses, err = aliasesOf(ctx, tx, r.subject); err != nil {
		return err
	}
	return l.hand(ctx, tx, v, repeats)
}

// project writes the row of a pair: what holds, when it ends by the rule pack of
// now, and when the sweep has to look at it.
func (l *Ledger) project(ctx context.Context, tx *audit.Tx, subject string, business geo.E164, h *history) error {
	now := tx.Now()
	grant, pack := "", ""
	var expires, due sql.NullInt64
	if h.grant != nil {
		p := l.pack(business, now)
		grant, pack = h.grant.ID, p.cite()
		if ends := h.expiry(p); !ends.IsZero() {
			expires = sql.NullInt64{Int64: ends.UnixMilli(), Valid: true}
			due = dueAt(p, ends, now)
		}
	}
	requested := int64(0)
	if last := h.lastRequest(); !last.IsZero() {
		requested = last.UnixMilli()
	}
	_, err := tx.ExecContext(ctx, upsertPair, subject, string(business), grant, bit(h.optOut != nil), h.epoch,
		now.UnixMilli(), requested, pack, expires, due)
	if err != nil {
		return fmt.Errorf("store permission: %w", err)
	}
	return nil
}

// storedState is what the projection said before an event.
type storedState struct {
	grant     string
	doNotCall bool
	epoch     int64
}

// stored is what the projection of a fold says.
func (h *history) stored() storedState {
	s := storedState{doNotCall: h.optOut != nil, epoch: h.epoch}
	if h.grant != nil {
		s.grant = h.grant.ID
	}
	return s
}

func storedPair(ctx context.Context, q querier, business geo.E164, subject string) (storedState, error) {
	var s storedState
	var listed int
	err := q.QueryRowContext(ctx, selectPair, string(business), subject).Scan(&s.grant, &listed, &s.epoch)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return s, fmt.Errorf("read permission: %w", err)
	}
	s.doNotCall = listed != 0
	return s, nil
}

// narrowed returns the event that took permission away since before, nil when
// none did. The event just recorded counts whenever it is the one in force, also
// when nothing was left to take; an old one that newer events outweigh does not.
func (h *history) narrowed(before storedState, recorded *Event) *Event {
	switch {
	case h.optOut != nil:
		if !before.doNotCall || h.optOut.ID == recorded.ID {
			return h.optOut
		}
	case recorded.purposeOnly() && h.purposes[recorded.Purpose] != nil && h.purposes[recorded.Purpose].ID == recorded.ID:
		return h.purposes[recorded.Purpose]
	case h.grant == nil && h.bar != nil && (before.grant != "" || h.bar.ID == recorded.ID):
		return h.bar
	case h.grant == nil && before.grant != "":
		return recorded // the number turned out to be somebody else's
	}
	return nil
}

// covers says whether what an opt-out ends had ended by another in force.
func (h *history) covers(o *Event) bool {
	brand, purpose := o.listing()
	return slices.ContainsFunc(h.listed, func(e *Event) bool {
		b, p := e.listing()
		return e.ID != o.ID && (b == "" || b == brand && (p == "" || p == purpose))
	})
}

func (l *Ledger) revocation(h *history, cause *Event, r *recording, business geo.E164) Revocation {
	v := Revocation{
		Pair: Pair{Business: business, User: r.Pair.User}, Subject: r.subject, Event: cause.ID,
		Reason: barReason(cause), DoNotCall: h.optOut != nil || cause.Kind == OptedOut, At: cause.At,
		Account: cause.Account, Origin: business == r.Pair.Business,
	}
	if !v.DoNotCall {
		return v
	}
	v.Reason, v.Message = DoNotCall, cause.Ref
	v.Scope, v.Brand, v.Purpose = cause.Scope, cause.Brand, cause.Purpose
	if v.Scope != ScopePurpose {
		v.Purpose = ""
	}
	if v.Scope == ScopePurpose && v.Purpose == "" {
		v.Scope = ScopeBrand // nobody knows which purpose was meant
	}
	return v
}

// sweepSlack is how long after a warning is due the sweep may still have to give it:
// a pair that changes in the meantime does not lose it.
const sweepSlack = 2 * time.Minute

// dueAt is when the sweep has something to mark: the warning, when the grant is
// longer than it and it is not long due, or else the end.
func dueAt(p *pack, ends, now time.Time) sql.NullInt64 {
	due := ends.Add(-p.Grant.ClockSkew.duration())
	if warn := p.Grant.Warning.duration(); warn > 0 && now.Before(ends.Add(sweepSlack-warn)) {
		due = ends.Add(-warn)
	}
	return sql.NullInt64{Int64: due.UnixMilli(), Valid: true}
}

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
