package eightx8

import (
	"encoding/json"
	"strings"

	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/provider"
)

// event reads an account event (8x8, Business Management webhooks, type CABM).
// Those about users carry Meta's webhook as it is in rawEvent.
func (d *decoder) event(e envelope, raw []byte) error {
	details, ok := provider.ReadMembers(e.EventDetails)
	if !ok {
		d.Malformed("eventDetails")
		return nil
	}
	kind := e.EventType.Lower()
	if !e.Provider.Is("whatsapp") && e.Provider != "" {
		d.Missing("provider", e.Provider.Lower())
		return nil
	}
	if details.Has("rawEvent") {
		return d.relayed(kind, e, details.Raw("rawEvent"))
	}
	if !d.Ours(details.With("meta").Scalar("phoneNumber", "displayPhoneNumber")) {
		return provider.ErrWrongAccount
	}
	base := permissions.Notice{ID: d.eventID(e, kind, raw), At: d.TimeOrNow(e.Timestamp)}
	if !d.News(kind, base, details) {
		d.Missing("event", kind)
	}
	return nil
}

// eventID is the id of an account event: 8x8's, and what the event says of our number,
// because the events on 8x8's pages share an eventId, and an event of the business
// account is sent to each of its numbers; none must be taken for a repetition of
// another.
func (d *decoder) eventID(e envelope, kind string, raw []byte) string {
	if e.EventID == "" {
		return d.IDOr("", raw)
	}
	return d.ID(string(e.EventID), d.Digest([]byte(kind), e.EventDetails)[:16])
}

// relayed reads Meta's webhook inside an event. 8x8's pages name these events with
// and without "whatsapp_" and in singular and plural, so what is inside decides.
func (d *decoder) relayed(kind string, e envelope, raw json.RawMessage) error {
	value, ok := provider.MetaValue(unquoted(raw))
	if !ok {
		d.Malformed("eventDetails.rawEvent")
		return nil
	}
	if !d.Ours(value.Object("metadata").Scalar("display_phone_number")) {
		return provider.ErrWrongAccount
	}
	switch kind = strings.TrimPrefix(kind, "whatsapp_"); {
	case value.Has("user_id_update"):
		d.UserIDs(value)
	case value.Has("user_preferences"):
		d.Preferences(value)
	case strings.HasPrefix(kind, "contact") && value.Has("contacts"):
		d.Contacts(permissions.Event{At: d.TimeOrNow(e.Timestamp)}, value)
	default:
		d.Missing("event", kind)
	}
	return nil
}

// unquoted is JSON that was put into a string, without its quotes.
func unquoted(raw json.RawMessage) json.RawMessage {
	var text string
	if json.Unmarshal(raw, &text) == nil && provider.ValidJSON([]byte(text), provider.MaxDepth) == nil {
		return json.RawMessage(text)
	}
	return raw
}
