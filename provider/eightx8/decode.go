package eightx8

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/provider"
)

// Decode reads a webhook body, of version 2 or 3. An inbound message must name
// our channel, and whatever names a sub-account must name ours; otherwise it is
// provider.ErrWrongAccount. Delivery reports and account events are Unknown by
// their eventType ("event:account_update"). A body that is no JSON, is nested
// deeper than provider.MaxDepth or repeats a member is provider.ErrMalformed.
func (a *Account) Decode(raw []byte, auth permissions.Auth) (provider.Delivery, error) {
	if err := provider.ValidJSON(raw, provider.MaxDepth); err != nil {
		return provider.Delivery{}, fmt.Errorf("8x8: %w", err)
	}
	var e envelope
	var m inbound
	if readable := object(raw, &e); !readable {
		return nothing(provider.MalformedError("body").Error()), nil
	}
	if readable := len(e.Payload) == 0 || object(e.Payload, &m); !readable {
		return nothing(provider.MalformedError("payload").Error()), nil
	}
	if m.SubAccountID != "" && string(m.SubAccountID) != a.cfg.SubAccount {
		return provider.Delivery{}, fmt.Errorf("8x8: %w", provider.ErrWrongAccount)
	}
	if e.EventType != "inbound_message_received" {
		return nothing(provider.Unknown("event", string(e.EventType))), nil
	}
	if !m.Recipient.Channel.Is("whatsapp") {
		return nothing(provider.Unknown("channel", m.Recipient.Channel.Lower())), nil
	}
	if m.Recipient.ChannelID == "" {
		return nothing(provider.MalformedError("recipient.channelId").Error()), nil
	}
	if !m.Recipient.ChannelID.Is(a.cfg.Channel) {
		return provider.Delivery{}, fmt.Errorf("8x8: %w", provider.ErrWrongAccount)
	}
	fact, unknown := a.fact(m, e.Payload, auth)
	if unknown != "" {
		return nothing(unknown), nil
	}
	return provider.Delivery{Facts: []permissions.Event{fact}}, nil
}

// object reads valid JSON into v; false when it is no object.
func object(raw []byte, v any) bool {
	return bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{")) && provider.Unmarshal(raw, v) == nil
}

// nothing is a delivery without facts.
func nothing(unknown string) provider.Delivery {
	return provider.Delivery{Unknown: []string{unknown}}
}

// fact reads an inbound message of our channel; unknown names what is no fact.
func (a *Account) fact(m inbound, raw json.RawMessage, auth permissions.Auth) (fact permissions.Event, unknown string) {
	user, ok := provider.ParseUser(string(m.User.MSISDN))
	if !ok {
		user, ok = provider.ParseUser(string(m.User.ChannelUserID))
	}
	if !ok {
		return fact, provider.MalformedError("user").Error()
	}
	fact = permissions.Event{
		ID: eventID(m, raw), Pair: a.pair(user), Account: a.cfg.Name, Auth: auth,
		Ref: string(m.ReplyToUmid), Aliases: provider.Aliases(user, string(m.User.ChannelUserID)),
	}
	var err error
	switch m.Type.Lower() {
	case "text":
		err = a.messaged(&fact, m, m.Content.Text)
	case "button", "buttons":
		err = a.messaged(&fact, m, firstOf(m.Content.Text, m.Content.Payload))
	case "interactive":
		unknown, err = a.interactive(&fact, m)
	default:
		unknown = provider.Unknown("type", string(m.Type))
	}
	if err != nil {
		unknown = err.Error()
	}
	return fact, unknown
}

// interactive reads a tap. Only a callPermissionReply can grant, never a
// button's title, whatever it says.
func (a *Account) interactive(fact *permissions.Event, m inbound) (unknown string, err error) {
	tapped := m.Content.Interactive
	switch strings.ReplaceAll(tapped.Type.Lower(), "_", "") {
	case "callpermissionreply":
		return "", a.reply(fact, m)
	case "buttonreply":
		return "", a.messaged(fact, m, firstOf(tapped.ButtonReply.Title, tapped.ButtonReplyCase.Title,
			tapped.ButtonReply.ID, tapped.ButtonReplyCase.ID))
	case "listreply":
		return "", a.messaged(fact, m, firstOf(tapped.ListReply.Title, tapped.ListReplyCase.Title,
			tapped.ListReply.ID, tapped.ListReplyCase.ID))
	}
	return provider.Unknown("interactive", string(tapped.Type)), nil
}

// messaged records the user's words. An unreadable time is ours: the words may be
// an opt-out, which must not be lost.
func (a *Account) messaged(fact *permissions.Event, m inbound, text provider.Scalar) error {
	if text == "" {
		return provider.MalformedError("content")
	}
	fact.Kind, fact.Text, fact.At = permissions.Messaged, string(text), a.timeOrNow(m.Timestamp)
	return nil
}

// reply reads a call permission reply (protocol: 8x8, inbound messages). A reject
// always counts. An accept needs a umid, a time and a readable expiry, or there
// is no grant; a reply that is called permanent and expires all the same is
// temporary.
func (a *Account) reply(fact *permissions.Event, m inbound) error {
	r := m.Content.Interactive.PermissionReply
	fact.Automatic = r.ResponseSource.Is("automatic")
	if r.Response.Is("reject") {
		fact.Kind, fact.At = permissions.Declined, a.timeOrNow(m.Timestamp)
		return nil
	}
	if !r.Response.Is("accept") {
		return provider.MalformedError("callPermissionReply.response")
	}
	if m.Umid == "" {
		return provider.MalformedError("umid")
	}
	at, err := m.Timestamp.Time()
	if err != nil {
		return provider.MalformedError("timestamp")
	}
	permanent, err := r.IsPermanent.Bool()
	if err != nil {
		return provider.MalformedError("callPermissionReply.isPermanent")
	}
	if r.ExpirationTimestamp != "" {
		if fact.Expires, err = r.ExpirationTimestamp.Time(); err != nil {
			return provider.MalformedError("callPermissionReply.expirationTimestamp")
		}
	}
	fact.Kind, fact.At, fact.Permanent = permissions.Granted, at, permanent && fact.Expires.IsZero()
	return nil
}

// eventID is the event's id: the umid, or the digest of the payload when it has
// none, so that the same bytes are the same fact.
func eventID(m inbound, raw json.RawMessage) string {
	if m.Umid != "" {
		return name + "/" + string(m.Umid)
	}
	sum := sha256.Sum256(raw)
	return name + "/sha256:" + hex.EncodeToString(sum[:])
}

func (a *Account) timeOrNow(s provider.Scalar) time.Time {
	if at, err := s.Time(); err == nil {
		return at
	}
	return a.cfg.Now().UTC()
}

func firstOf(values ...provider.Scalar) provider.Scalar {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
