package meta

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/provider"
	"github.com/callctl/callctl/sipbridge"
)

// callStatus is the event that a call's status stands for; word is in lower case.
func callStatus(word string) (sipbridge.EventKind, bool) {
	switch word {
	case "ringing":
		return sipbridge.CarrierRinging, true
	case "accepted":
		return sipbridge.CarrierAccepted, true
	case "rejected":
		return sipbridge.CarrierRejected, true
	}
	return "", false
}

// status reads one element of value.statuses: of a message, or of a call, where
// only business-initiated ones have any.
func (d *decoder) status(field string, raw json.RawMessage, people contacts) {
	var s status
	if provider.Unmarshal(raw, &s) != nil || s.Status == "" {
		d.Malformed("status")
		return
	}
	if s.ID == "" {
		d.Malformed("status.id")
		return
	}
	if !s.Type.Is("call") && (field != "calls" || s.Type != "") {
		d.receipt(s, people)
		return
	}
	kind, known := callStatus(s.Status.Lower())
	if !known {
		d.Missing("status", s.Status.Lower())
		return
	}
	user, aliases, _ := d.user(people, s.RecipientID, s.RecipientUserID)
	e := sipbridge.Event{
		Account: d.Account, Wacid: string(s.ID), Kind: kind,
		Direction: sipbridge.BusinessInitiated, User: string(user), Opaque: string(s.Opaque),
		At: d.TimeOrNow(s.Timestamp), Codes: codes(s.Errors),
	}
	d.Calls = append(d.Calls, e)
	d.reported(e, aliases, statusOutcome(kind))
}

// call reads one element of value.calls. shared are the codes of value.errors,
// which belong to the call when it is alone or has failed.
func (d *decoder) call(raw json.RawMessage, people contacts, shared []int, alone bool) {
	var c call
	if provider.Unmarshal(raw, &c) != nil || c.ID == "" {
		d.Malformed("call.id")
		return
	}
	direction := direction(c)
	user, aliases := d.callUser(c, direction, people)
	e := sipbridge.Event{
		Account: d.Account, Wacid: string(c.ID), Direction: direction, User: string(user), Opaque: string(c.Opaque), Codes: codes(c.Errors),
		Payload: string(firstOf(c.CTAPayload, c.DeeplinkPayload)),
	}
	switch c.Event.Lower() {
	case "connect":
		d.connect(e, c)
	case "terminate":
		e.Failed = c.Status.Is("failed") || (c.Status == "" && len(e.Codes) > 0)
		if alone || e.Failed {
			e.Codes = union(e.Codes, shared)
		}
		e.Kind, e.At, e.Duration = sipbridge.CarrierTerminated, d.TimeOrNow(c.Timestamp), duration(c)
		d.Calls = append(d.Calls, e)
		d.ended(e, aliases, c)
	default:
		d.Missing("event", c.Event.Lower())
	}
}

// connect needs a time that can be read when it is an offer, because a stale
// offer must not ring, and a description, without which nobody can talk.
func (d *decoder) connect(e sipbridge.Event, c call) {
	at, err := c.Timestamp.Time()
	switch {
	case c.Session.SDP == "":
		d.Malformed("call.session")
		return
	case err != nil && e.Direction != sipbridge.BusinessInitiated:
		d.Malformed("call.timestamp")
		return
	case err != nil:
		at = d.Now().UTC()
	case e.Direction == sipbridge.UserInitiated && e.User == "":
		d.Malformed("call.from")
		return
	}
	e.Kind, e.At = sipbridge.CarrierConnect, at
	e.SDP, e.SDPType = string(c.Session.SDP), c.Session.SDPType.Lower()
	if e.SDPType == "" {
		e.SDPType = map[sipbridge.Direction]string{
			sipbridge.UserInitiated: "offer", sipbridge.BusinessInitiated: "answer",
		}[e.Direction]
	}
	d.Calls = append(d.Calls, e)
}

// direction is what the call says, or else what its description implies: Meta
// offers when the user called and answers when we did.
func direction(c call) sipbridge.Direction {
	switch {
	case c.Direction.Is(string(sipbridge.UserInitiated)):
		return sipbridge.UserInitiated
	case c.Direction.Is(string(sipbridge.BusinessInitiated)):
		return sipbridge.BusinessInitiated
	case c.Session.SDPType.Is("offer"):
		return sipbridge.UserInitiated
	case c.Session.SDPType.Is("answer"):
		return sipbridge.BusinessInitiated
	}
	return ""
}

// callUser is the user of a call, and the user's BSUIDs. Meta's samples have from
// and to the wrong way round, so the side that is our business number is never
// taken.
func (d *decoder) callUser(c call, direction sipbridge.Direction, people contacts) (permissions.User, []permissions.User) {
	near, far := []provider.Scalar{c.From, c.FromUserID}, []provider.Scalar{c.To, c.ToUserID}
	if direction == sipbridge.BusinessInitiated {
		near, far = far, near
	}
	user, aliases, ok := d.user(people, near...)
	if !ok {
		user, aliases, _ = d.user(people, far...)
	}
	return user, aliases
}

// duration is how long the call lasted, 0 when nobody answered.
func duration(c call) time.Duration {
	if seconds, err := c.Duration.Int(); err == nil && seconds >= 0 && seconds < 1<<31 {
		return time.Duration(seconds) * time.Second
	}
	start, err := c.StartTime.Time()
	if err != nil {
		return 0
	}
	end, err := c.EndTime.Time()
	if err != nil || end.Before(start) {
		return 0
	}
	return end.Sub(start)
}

// union appends the codes that are not there yet.
func union(codes, more []int) []int {
	for _, code := range more {
		if !slices.Contains(codes, code) {
			codes = append(codes, code)
		}
	}
	return codes
}
