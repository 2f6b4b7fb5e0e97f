package permissions

import (
	"slices"
	"time"
)

// maxTurns bounds how many times at which a rule turns are looked at for the time
// at which the answer does. Quiet hours are one turn a spell, a rule pack one a
// version: what has not turned after that many never does.
const maxTurns = 256

// allowedFrom is the earliest time after a refusal at which the same question is
// allowed with no new fact, zero when there is none. While a rule refuses until a
// time, nothing before that time can be allowed; at it, the rules are asked again,
// because another one may refuse by then. A rule that waiting does not cure can
// still be cured by another version of the rule pack.
func (ask *question) allowedFrom(e *evaluation) time.Time {
	for range maxTurns {
		next, ok := e.cured()
		if change := ask.ledger.packs.next(ask.v.business.Rules, e.at); !change.IsZero() && (!ok || change.Before(next)) {
			next, ok = change, true
		}
		if !ok {
			return time.Time{}
		}
		if e = ask.at(next); !slices.ContainsFunc(e.rule, refuses) {
			return next
		}
	}
	return time.Time{}
}

// cured is when the last of the rules that refuse turns, ok false when one never
// does.
func (e *evaluation) cured() (last time.Time, ok bool) {
	for _, r := range e.rule {
		switch {
		case r.Allow:
		case r.RetryAt.IsZero():
			return time.Time{}, false
		case r.RetryAt.After(last):
			last = r.RetryAt
		}
	}
	return last, true
}

// allowedUntil is the earliest time at which what is allowed is refused with no
// new fact, zero when there is none. Entries of the geography that begin later are
// not foreseen: the rules of one binary hold none.
func (ask *question) allowedUntil(e *evaluation) time.Time {
	for range maxTurns {
		next := ask.ledger.packs.next(ask.v.business.Rules, e.at)
		for _, r := range e.rule {
			if !r.Until.IsZero() && (next.IsZero() || r.Until.Before(next)) {
				next = r.Until
			}
		}
		if next.IsZero() {
			return next
		}
		if e = ask.at(next); slices.ContainsFunc(e.rule, refuses) {
			return next
		}
	}
	return time.Time{}
}
