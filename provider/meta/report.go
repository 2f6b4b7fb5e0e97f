package meta

import (
	"slices"

	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/sipbridge"
)

// noPermission is Meta's code for a call without an approved permission.
const noPermission = 138006

// statusOutcome is what a call's status says about its end; "" while it is open.
func statusOutcome(kind sipbridge.EventKind) permissions.Outcome {
	switch kind {
	case sipbridge.CarrierAccepted:
		return permissions.OutcomeConnected
	case sipbridge.CarrierRejected:
		return permissions.OutcomeRejected
	default:
		return ""
	}
}

// ended reports how a call ended by its terminate webhook. Meta says COMPLETED of
// a call that nobody answered too, and gives times only to one that was picked up
// (Cloud API Calling, call terminate webhook). A failed call is no unanswered one.
func (d *decoder) ended(e sipbridge.Event, aliases []permissions.User, c call) {
	d.Unable(e.Wacid, e.At, e.Codes...)
	if e.Direction == "" && e.Opaque != "" {
		e.Direction = sipbridge.BusinessInitiated // ours carry it, and those that we accepted
		if d.ourNumber(c.To) {
			e.Direction = sipbridge.UserInitiated
		}
	}
	if e.Direction == "" {
		d.Malformed("call.direction")
		return
	}
	_, err := c.StartTime.Time()
	status := c.Status.Lower()
	switch {
	case e.Failed && slices.Contains(e.Codes, noPermission):
		d.reported(e, aliases, permissions.OutcomeRefused)
	case e.Failed:
		d.reported(e, aliases, permissions.OutcomeFailed)
	case status != "" && status != "completed":
		d.Missing("status", status)
	case e.Duration > 0 || err == nil:
		d.reported(e, aliases, permissions.OutcomeConnected)
	default:
		d.reported(e, aliases, permissions.OutcomeUnanswered)
	}
}

// reported adds Meta's word on a call as a fact about the user, beside the event
// for the bridge. The bridge may not know the call: another program can call from
// the same number, and its calls count for the user's limits all the same.
func (d *decoder) reported(e sipbridge.Event, aliases []permissions.User, outcome permissions.Outcome) {
	if outcome == "" {
		return
	}
	if e.User == "" {
		d.Malformed("call.user")
		return
	}
	fact := permissions.Event{
		ID: d.ID("call", string(e.Kind), e.Wacid), Kind: permissions.Reported, At: e.At,
		Pair: permissions.Pair{User: permissions.User(e.User)}, Aliases: aliases,
		CallID: e.Opaque, Ref: e.Wacid, Outcome: outcome, Inbound: e.Direction == sipbridge.UserInitiated,
	}
	if len(e.Codes) > 0 {
		fact.Code = e.Codes[0]
	}
	d.Fact(fact)
}

// receipt reads the status of a message. A status can be skipped and can follow a
// later one, so each is a fact of its own.
func (d *decoder) receipt(s status, people contacts) {
	if s.RecipientType.Is("group") {
		return // no user's
	}
	state := s.Status.Lower()
	switch state {
	case "sent", "delivered", "read", "failed":
	case "played":
		state = "read" // a voice message that the user heard
	default:
		d.Missing("status", state)
		return
	}
	user, aliases, ok := d.user(people, s.RecipientID, s.RecipientUserID, s.RecipientParentUserID)
	if !ok {
		d.Malformed("status.recipient_id")
		return
	}
	fact := permissions.Event{
		ID: d.ID("message", state, string(s.ID)), Kind: permissions.Delivered, At: d.TimeOrNow(s.Timestamp),
		Pair: permissions.Pair{User: user}, Aliases: aliases, Ref: string(s.ID), Delivery: state,
	}
	failures := codes(s.Errors)
	if len(failures) > 0 {
		fact.Code = failures[0]
	}
	d.Fact(fact)
	d.Unable(string(s.ID), fact.At, failures...)
}
