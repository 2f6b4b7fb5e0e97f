package permissions

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/callctl/callctl/compliance/audit"
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

const (
	// temporaryAge is how long the platform's temporary permission holds (Meta,
	// Cloud API Calling, user call permissions): it was given so long before its
	// expiry at the earliest.
	temporaryAge = 168 * time.Hour
	// laterExpiry is by how much a provider's expiry has to be later than the one
	// known here to be another grant's, and not another clock's.
	laterExpiry = time.Minute
)

// Doubtful says whether a dial of the pair now should be preceded by a read-back.
// It is NoDoubt where no read-back could lead to a dial: an opt-out stands, or the
// number is none of ours.
func (l *Ledger) Doubtful(ctx context.Context, p Pair) (Doubt, error) {
	doubt := NoDoubt
	err := l.snapshot(ctx, func(ctx context.Context, q querier) error {
		v, err := l.load(ctx, q, p)
		if err != nil || !v.known || !v.pair.User.Valid() {
			return err
		}
		now := l.cfg.Now().UTC()
		doubt = fold(v.events).uncertain(l.pack(v.pair.Business, now), l.businesses[v.pair.Business].Silent, now)
		return nil
	})
	return doubt, err
}

// uncertain says why the provider should be asked before a dial at now. Silent is
// true for one that does not tell of automatic grants.
func (h *history) uncertain(p *pack, silent bool, now time.Time) Doubt {
	s := h.permission(Pair{}, "", p, now)
	switch {
	case s.DoNotCall:
		return NoDoubt
	case s.Status == StatusNone:
		if silent {
			return DoubtUnheard
		}
		return NoDoubt
	case h.doubt != nil:
		return DoubtRefused
	case !s.Verified && p.needsReadBack(s.GrantAuth):
		return DoubtUnsigned
	}
	known := h.grant.At
	if h.read != nil && h.read.At.After(known) {
		known = h.read.At
	}
	if after := p.Grant.ReadBackAfter.duration(); after > 0 && now.Sub(known) >= after {
		return DoubtAge
	}
	return NoDoubt
}

// Read records what the provider said about a pair at a time, in one transaction.
// It never overwrites: a confirmation is a ReadBack event; a permission that the
// provider does not know any more becomes Revoked; one that the ledger does not
// know becomes an automatic Granted, which overcomes no opt-out, nor a person's
// revocation unless it was given since; a limit that differs from the rule pack's
// becomes [Drift]. All carry AuthReadBack. Errors are [ErrBusiness] and [ErrUser].
func (l *Ledger) Read(ctx context.Context, p Pair, s ProviderState, why Doubt) error {
	p = p.Canonical()
	if _, known := l.businesses[p.Business]; !known {
		return ErrBusiness
	}
	if !p.User.Valid() {
		return ErrUser
	}
	return l.cfg.Log.Update(ctx, func(ctx context.Context, tx *audit.Tx) error {
		subject, err := l.EnsureSubject(ctx, tx, p.User)
		if err != nil {
			return err
		}
		events, err := l.pairEvents(ctx, tx, subject, p.Business)
		if err != nil {
			return err
		}
		for _, e := range l.differences(p, subject, fold(events), s, why, tx.Now()) {
			if _, err := l.record(ctx, tx, e); err != nil {
				return err
			}
		}
		return l.recordDrift(ctx, tx, p.Business, s)
	})
}

// differences are the events that a read-back amounts to. What ends a grant comes
// first, so that it is what ended it.
func (l *Ledger) differences(p Pair, subject string, h *history, s ProviderState, why Doubt, now time.Time) []Event {
	read := Event{
		ID: "callctl/read/" + l.cfg.NewID(), Kind: ReadBack, Pair: p, At: s.asked(now), Account: l.businesses[p.Business].Account,
		Auth: AuthReadBack, Reason: string(why), Provided: &s,
	}
	if h.grant != nil {
		read.Ref = h.grant.ID
		if !s.overtakenBy(h.grant) {
			read.At = latest(read.At, h.grant.At) // the grant was known before
		}
	}
	if s.Status == StatusNone {
		if h.grant == nil || s.overtakenBy(h.grant) || !h.expires.IsZero() && !read.At.Before(h.expires) {
			return []Event{read} // it ended by itself, or may have been given since
		}
		gone := read
		gone.ID, gone.Kind, gone.Provided = "callctl/revoked/"+l.cfg.NewID(), Revoked, nil
		gone.Reason = "the provider knows no permission any more (" + string(why) + ")"
		return []Event{gone, read}
	}
	if s.Status == StatusTemporary {
		read.Expires = s.Expires
	}
	if !h.unknown(s) || s.overtakenBy(h.bar) {
		return []Event{read}
	}
	granted := read
	granted.Kind, granted.Provided, granted.Ref, granted.Automatic = Granted, nil, "", true
	granted.Permanent = s.Status == StatusPermanent
	granted.Reason = "the provider knows a permission that was not heard of (" + string(why) + ")"
	granted.At = h.grantedAt(s, now)
	granted.ID = "callctl/granted/" + subject + "/" + fingerprint(string(p.Business), string(s.Status),
		strconv.FormatInt(s.Expires.UnixMilli(), 10), h.barID())
	read.Ref = granted.ID
	return []Event{granted, read}
}

// asked is from when the answer counts: right after the question was put, at most now.
func (s *ProviderState) asked(now time.Time) time.Time {
	if at := s.Asked.UTC().Truncate(time.Millisecond).Add(time.Millisecond); !s.Asked.IsZero() && at.Before(now) {
		return at
	}
	return now
}

// overtakenBy says whether an event was heard of after the question was put: what
// the provider answered may be older than it. On the tie the stricter holds: a
// grant was known, what took permission away was not.
func (s *ProviderState) overtakenBy(e *Event) bool {
	if e == nil || s.Asked.IsZero() {
		return false
	}
	asked := s.Asked.Truncate(time.Millisecond)
	return e.Received.After(asked) || e.Kind != Granted && e.Received.Equal(asked)
}

// unknown says whether what the provider knows is a grant that the ledger does not:
// none stands here, or it ends later than the one that does. A clock is never
// restarted by it: the same grant read back is the same grant.
func (h *history) unknown(s ProviderState) bool {
	known := h.grant
	expires := h.expires
	if known == nil && h.bar != nil && h.bar.Kind == Settled {
		// The provider refused calls on this grant although it says that it stands.
		for i := range h.events {
			if h.events[i].ID == h.bar.Ref {
				known, expires = &h.events[i], h.events[i].Expires
			}
		}
	}
	switch {
	case known == nil:
		return !h.withdrawn() || h.givenSince(s)
	case known.Permanent && expires.IsZero():
		return false
	case s.Status == StatusPermanent:
		return true
	}
	return !expires.IsZero() && s.Expires.After(expires.Add(laterExpiry))
}

// withdrawn is true while what bars is a person's revocation: the provider was not
// told of it and goes on telling of the grant that was withdrawn.
func (h *history) withdrawn() bool {
	return h.bar != nil && h.bar.Kind == Revoked && h.bar.Auth == AuthOperator
}

// givenSince says whether what the provider knows was given after what bars: it knew
// none in between, or its end says so and is not that of a grant known before.
func (h *history) givenSince(s ProviderState) bool {
	if h.read != nil && h.read.denies() && !h.read.At.Before(h.bar.At) {
		return true
	}
	same := func(g Event) bool { return g.Kind == Granted && !s.Expires.After(g.Expires.Add(laterExpiry)) }
	return !s.Expires.IsZero() && s.Expires.Add(-temporaryAge).After(h.bar.At.Add(laterExpiry)) && !slices.ContainsFunc(h.events, same)
}

// grantedAt is when a grant that was read back was given at the earliest: not
// before what took permission away. Where its end does not say, it is dated so far
// back as clocks differ, or a reject that the user gives next would be dated before
// it by the provider's clock.
func (h *history) grantedAt(s ProviderState, now time.Time) time.Time {
	at := now.Add(-maxAhead)
	if given := s.Expires.Add(-temporaryAge); !s.Expires.IsZero() && given.Before(now) {
		at = given
	}
	if h.bar != nil && (s.Expires.IsZero() || at.Before(h.bar.At.Add(time.Millisecond))) {
		at = h.bar.At.Add(time.Millisecond)
	}
	if h.read != nil && h.read.denies() && at.Before(h.read.At.Add(time.Millisecond)) {
		at = h.read.At.Add(time.Millisecond) // the provider knew none then
	}
	if h.grant != nil && at.Before(h.grant.At.Add(time.Millisecond)) {
		at = h.grant.At.Add(time.Millisecond) // it stands in that one's place
	}
	if at.After(now) {
		return now
	}
	return at
}

func (h *history) barID() string {
	if h.bar == nil {
		return ""
	}
	return h.bar.ID
}

// fingerprint is a short name for parts that are the same again.
func fingerprint(parts ...string) string {
	hash := sha256.New()
	for _, p := range parts {
		_, _ = fmt.Fprintf(hash, "%d:%s", len(p), p) // a hash takes everything
	}
	return hex.EncodeToString(hash.Sum(nil)[:16])
}

// answerable is how long a permission request can be answered after its delivery
// (Meta, Cloud API Calling, user call permissions).
const answerable = 7 * 24 * time.Hour

// Standing lists the pairs of a business that a reconcile run asks about: those
// with a grant that has not ended and those with a request that can still be
// answered (7 days), by cursor. A user who opted out is left alone.
func (l *Ledger) Standing(ctx context.Context, business geo.E164, p Page) (pairs []Pair, next string, err error) {
	after, _, err := p.parse()
	if err != nil {
		return nil, "", err
	}
	business = Pair{Business: business}.Canonical().Business
	size, now := p.Size(), l.cfg.Now()
	err = l.snapshot(ctx, func(ctx context.Context, q querier) error {
		subjects, err := column[string](ctx, q, selectStanding, string(business), after,
			now.UnixMilli(), now.Add(-answerable).UnixMilli(), size+1)
		if err != nil {
			return err
		}
		if len(subjects) > size {
			subjects = subjects[:size]
			next = cursorOf(subjects[size-1], "")
		}
		for _, s := range subjects {
			user, err := l.addressIfAny(ctx, q, s)
			if err != nil {
				return err
			}
			if !user.Valid() {
				continue // an address that is none, or no longer anybody's: there is nothing to ask
			}
			pairs = append(pairs, Pair{Business: business, User: user})
		}
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	return pairs, next, nil
}
