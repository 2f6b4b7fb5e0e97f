package provider

import (
	"strings"

	"github.com/callctl/callctl/permissions"
)

// Reply is a call permission reply as a provider wrote it.
type Reply struct {
	Name      string // the provider's name for the object, for what is malformed
	ID        Scalar // of the message
	At        Scalar
	Response  Scalar // accept or reject
	Permanent Scalar
	Expires   Scalar
	Source    Scalar // user_action or automatic
}

// Reply records an answer to a call permission request. A reject always counts,
// whatever else about it is unreadable. An accept needs an id, a time, a readable
// permanence and a readable expiry when it has one, or there is no grant; one that
// is called permanent and expires all the same is temporary; and only one that says
// user_action is the user's own, which alone can follow an opt-out. Any other
// response is named and is neither.
func (r *Reader) Reply(fact permissions.Event, said Reply) {
	if source := said.Source.Lower(); source != "" && source != "user_action" && source != "automatic" {
		r.Missing("source", source)
	}
	switch response := said.Response.Lower(); {
	case response == "reject":
		fact.Kind, fact.Automatic = permissions.Declined, said.Source.Is("automatic")
		r.Fact(fact)
		return
	case response == "accept":
	case response == "", strings.ContainsAny(response, "[{"):
		r.Malformed(said.Name + ".response")
		return
	default:
		r.Missing("response", response)
		return
	}
	if bad := said.grant(&fact); bad != "" {
		r.Malformed(bad)
		return
	}
	r.Fact(fact)
}

// grant makes fact the grant that an accept is; bad names what cannot be read.
func (said Reply) grant(fact *permissions.Event) (bad string) {
	at, err := said.At.Time()
	if err != nil {
		return "message.timestamp"
	}
	permanent, err := said.Permanent.Bool()
	if err != nil {
		return said.Name + ".is_permanent"
	}
	if said.Expires != "" {
		if fact.Expires, err = said.Expires.Time(); err != nil {
			return said.Name + ".expiration_timestamp"
		}
	}
	if said.ID == "" {
		return "message.id"
	}
	fact.Kind, fact.At = permissions.Granted, at
	fact.Permanent = permanent && fact.Expires.IsZero()
	fact.Automatic = !said.Source.Is("user_action")
	return ""
}
