package permissions

import (
	"slices"

	"github.com/callctl/callctl/geo"
)

// purposeOnly is true for an opt-out that reaches calls of its purpose only. One
// whose purpose is not known reaches all of the brand's.
func (e *Event) purposeOnly() bool { return e.Scope == ScopePurpose && e.Purpose != "" }

// reaches says whether an opt-out bears on one of our numbers: always on the one
// that it was said to, and on those of its brand, by the name of then or as the
// configuration groups the numbers now. No other name for a brand lifts it.
func (e *Event) reaches(business geo.E164, brandOf func(geo.E164) string) bool {
	if e.Scope != ScopeBrand && e.Scope != ScopePurpose || e.Pair.Business == business {
		return true
	}
	brand := brandOf(business)
	return brand != "" && (e.Brand == brand || brandOf(e.Pair.Business) == brand)
}

// lifts says whether a lifting ends an opt-out that is dated before it. It ends
// those that were known when it was recorded: of the opt-out of an address that
// nobody knew to be the same person's, it was no word.
func (e *Event) lifts(o *Event) bool {
	return len(e.Lifts) == 0 || slices.Contains(e.Lifts, o.ID)
}

// reaching are the events that bear on the pairs of one of our numbers: all but the
// opt-outs towards another brand.
func reaching(events []Event, business geo.E164, brandOf func(geo.E164) string) []Event {
	return slices.DeleteFunc(slices.Clone(events), func(e Event) bool {
		return e.Kind == OptedOut && !e.reaches(business, brandOf)
	})
}

// brandOf is the brand of one of our numbers, "" for a number that is none.
func (l *Ledger) brandOf(business geo.E164) string {
	b := l.businesses[business]
	if b.Brand == "" {
		return b.Account
	}
	return b.Brand
}

// stampScope fixes how far an opt-out reaches, by the rule pack in force when the
// user said it. Known are the events of its pair; the purpose is that of the
// latest request or attempt before it.
func (l *Ledger) stampScope(r *recording, known []Event) {
	if r.Kind != OptedOut || r.Scope != "" {
		return
	}
	r.Scope = ScopeAll
	if r.Pair.Business == "" {
		return
	}
	if s := l.pack(r.Pair.Business, r.At).Revoking.Scope; s != "" {
		r.Scope = s
	}
	if r.Scope == ScopeAll {
		return
	}
	r.Brand = l.brandOf(r.Pair.Business)
	if r.Scope != ScopePurpose || r.Purpose != "" {
		return
	}
	var last *Event
	for i := range known {
		e := &known[i]
		asked := e.Kind == Requested || e.Kind == Attempted
		if asked && !e.At.After(r.At) && (last == nil || compareEvents(*e, *last) > 0) {
			last = e
		}
	}
	if last != nil {
		r.Purpose = last.Purpose
	}
}

// stampLifts names the opt-outs that a lifting ends: all in force, however far
// they reach.
func (r *recording) stampLifts(known []Event) {
	if r.Kind != OptOutLifted {
		return
	}
	r.Lifts = nil
	for _, o := range fold(known).listed {
		r.Lifts = append(r.Lifts, o.ID)
	}
}
