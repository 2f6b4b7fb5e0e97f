package meta

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/provider"
)

// message reads one element of value.messages. What the user wrote or tapped is
// Messaged; only a call_permission_reply can grant, never a button's title.
func (d *decoder) message(raw json.RawMessage, people contacts) {
	var m message
	if provider.Unmarshal(raw, &m) != nil || m.Type == "" {
		d.malformed("message.type")
		return
	}
	user, aliases, ok := d.user(people, m.From, m.FromUserID)
	if !ok {
		d.malformed("message.from")
		return
	}
	fact := permissions.Event{
		ID: messageID(m, raw), Pair: d.account.pair(user), Account: d.account.cfg.Name, Auth: d.auth,
		Aliases: mergeAliases(user, aliases, m.FromParentUserID), Ref: string(m.Context.ID),
	}
	switch m.Type.Lower() {
	case "text":
		d.messaged(fact, m, m.Text.Body)
	case "button":
		d.messaged(fact, m, firstOf(m.Button.Text, m.Button.Payload))
	case "interactive":
		d.interactive(fact, m)
	default:
		d.unknown("type", m.Type.Lower())
	}
}

func (d *decoder) interactive(fact permissions.Event, m message) {
	switch m.Interactive.Type.Lower() {
	case "call_permission_reply":
		d.reply(fact, m)
	case "button_reply":
		d.messaged(fact, m, firstOf(m.Interactive.ButtonReply.Title, m.Interactive.ButtonReply.ID))
	case "list_reply":
		d.messaged(fact, m, firstOf(m.Interactive.ListReply.Title, m.Interactive.ListReply.ID))
	default:
		d.unknown("interactive", m.Interactive.Type.Lower())
	}
}

// messaged records the user's words. An unreadable time is ours: the words may be
// an opt-out, which must not be lost.
func (d *decoder) messaged(fact permissions.Event, m message, text provider.Scalar) {
	if text == "" {
		d.malformed("message.text")
		return
	}
	fact.Kind, fact.Text, fact.At = permissions.Messaged, string(text), d.timeOrNow(m.Timestamp)
	d.out.Facts = append(d.out.Facts, fact)
}

// reply reads a call permission reply in its six scenarios (protocol: Meta, call
// permission replies). A reject always counts. An accept needs an id, a time and
// a readable expiry, or there is no grant; a reply that is called permanent and
// expires all the same is temporary.
func (d *decoder) reply(fact permissions.Event, m message) {
	r := m.Interactive.Reply
	fact.Automatic = r.ResponseSource.Is("automatic")
	if r.Response.Is("reject") {
		fact.Kind, fact.At = permissions.Declined, d.timeOrNow(m.Timestamp)
		d.out.Facts = append(d.out.Facts, fact)
		return
	}
	if !r.Response.Is("accept") {
		d.malformed("call_permission_reply.response")
		return
	}
	at, err := m.Timestamp.Time()
	if err != nil {
		d.malformed("message.timestamp")
		return
	}
	permanent, err := r.IsPermanent.Bool()
	if err != nil {
		d.malformed("call_permission_reply.is_permanent")
		return
	}
	if r.ExpirationTimestamp != "" {
		if fact.Expires, err = r.ExpirationTimestamp.Time(); err != nil {
			d.malformed("call_permission_reply.expiration_timestamp")
			return
		}
	}
	if m.ID == "" {
		d.malformed("message.id")
		return
	}
	fact.Kind, fact.At, fact.Permanent = permissions.Granted, at, permanent && fact.Expires.IsZero()
	d.out.Facts = append(d.out.Facts, fact)
}

// messageID is the event id: Meta's message id, or the digest of the element
// when it has none, so that the same bytes are the same fact.
func messageID(m message, raw json.RawMessage) string {
	if m.ID != "" {
		return name + "/" + string(m.ID)
	}
	sum := sha256.Sum256(raw)
	return name + "/sha256:" + hex.EncodeToString(sum[:])
}

func (d *decoder) timeOrNow(s provider.Scalar) time.Time {
	if at, err := s.Time(); err == nil {
		return at
	}
	return d.account.cfg.Now().UTC()
}

func firstOf(values ...provider.Scalar) provider.Scalar {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

func mergeAliases(user permissions.User, aliases []permissions.User, more provider.Scalar) []permissions.User {
	all := make([]string, 0, len(aliases)+1)
	for _, alias := range aliases {
		all = append(all, string(alias))
	}
	return provider.Aliases(user, append(all, string(more))...)
}
