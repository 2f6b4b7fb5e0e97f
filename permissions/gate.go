package permissions

import (
	"maps"
	"slices"
	"time"

	"github.com/callctl/callctl/geo"
)

// question is what a decision is about, and everything that it depends on beside
// the clock.
type question struct {
	ledger  *Ledger
	v       *view
	q       Query
	h       *history
	confirm *Ticket // the attempt that is about to dial, nil when none is reserved yet
	place   *place  // where everybody is, found by the first evaluation
}

// evaluation is one run of the rules at a time.
type evaluation struct {
	*question

	p    *pack
	s    Permission
	at   time.Time
	geo  *geo.Rules
	rule []Rule
}

// decide answers a query at a time, by the rules of its action in their order.
func (l *Ledger) decide(v *view, q Query, at time.Time) (Decision, *evaluation) {
	return l.answer(&question{ledger: l, v: v, q: q, h: fold(v.events)}, at)
}

// answer runs every rule, whether one refused or not, and looks for the time at
// which the answer turns.
func (l *Ledger) answer(ask *question, at time.Time) (Decision, *evaluation) {
	e := ask.at(at)
	d := Decision{
		Action: ask.q.Action, Allow: true, Reason: Allowed, At: at, Rules: e.rule, RulePack: e.p.cite(),
		Geography: l.cfg.Geo.Version(), TZData: geo.TZData(), Purpose: ask.q.Purpose, Template: ask.q.Template,
		Epoch: e.s.Epoch, Grant: e.s.Grant, AuditIndex: -1,
	}
	if i := slices.IndexFunc(e.rule, refuses); i >= 0 {
		d.Allow, d.Reason = false, e.rule[i].Reason
		d.RetryAfter = ask.allowedFrom(e)
		return d, e
	}
	d.Until = ask.allowedUntil(e)
	return d, e
}

// at runs the rules of the question's action at a time. The order is part of the
// answer: the reason is that of the first rule that refuses. What concerns the
// business comes before what concerns the user, what no one can change before what
// the user decides, and what waiting cures comes last.
func (ask *question) at(t time.Time) *evaluation {
	e := &evaluation{question: ask, p: ask.ledger.packs.at(ask.v.business.Rules, t), at: t, geo: ask.ledger.cfg.Geo}
	e.s = ask.h.permission(ask.v.pair, ask.v.subject, e.p, t)
	e.knownBusiness()
	e.validUser()
	e.businessCountry()
	e.businessRestricted()
	e.userRegion()
	e.destinationCountry()
	e.doNotCall()
	if ask.q.Action == RequestPermission {
		e.messagesOptOut()
		e.noPermanentGrant()
		e.requestLimits()
		e.requestCycle()
		e.providerLimit()
		e.requestTemplate()
		e.requestDeliverable()
		return e
	}
	if ask.confirm != nil {
		e.attemptStands()
	}
	e.permission()
	e.verified()
	e.callsPerGrant()
	e.connectedCalls()
	e.consecutiveUnanswered()
	e.providerLimit()
	e.quietHours()
	e.noOtherAttempt()
	return e
}

// line is what a rule found. Turns is when the verdict turns by the passing of
// time alone, zero when it never does.
type line struct {
	name    string
	refused bool
	reason  Reason // counts only when refused
	source  string
	turns   time.Time
	inputs  map[string]string // those that are empty are left out
}

// add appends the line of a rule.
func (e *evaluation) add(l line) {
	maps.DeleteFunc(l.inputs, func(_, v string) bool { return v == "" })
	r := Rule{Name: l.name, Allow: !l.refused, Inputs: l.inputs, Source: l.source}
	if l.refused {
		r.Reason, r.RetryAt = l.reason, l.turns
	} else {
		r.Until = l.turns
	}
	e.rule = append(e.rule, r)
}

func refuses(r Rule) bool { return !r.Allow }

// refusing are the reasons of all rules that refused, in order.
func (d *Decision) refusing() []Reason {
	var out []Reason
	for _, r := range d.Rules {
		if !r.Allow && !slices.Contains(out, r.Reason) {
			out = append(out, r.Reason)
		}
	}
	return out
}

// stamp writes a time for the inputs of a rule, "" for none.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
