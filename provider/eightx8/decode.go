package eightx8

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/provider"
)

// Decode reads a webhook body: an inbound message of version 2 or 3, a delivery
// receipt or an account event. An inbound message must name our channel, what
// names a sub-account, a business account or a business number must name ours;
// otherwise it is provider.ErrWrongAccount. Events that nobody knows are Unknown
// by their eventType ("event:session_summary"). A body that is no JSON, is nested
// deeper than provider.MaxDepth or repeats a member is provider.ErrMalformed.
func (a *Account) Decode(raw []byte, auth permissions.Auth) (provider.Delivery, error) {
	if err := provider.ValidJSON(raw, provider.MaxDepth); err != nil {
		return provider.Delivery{}, fmt.Errorf("8x8: %w", err)
	}
	d := decoder{account: a, Reader: provider.Reader{
		Provider: name, Account: a.cfg.Name, Business: a.cfg.Business, Auth: auth, Now: a.cfg.Now,
	}}
	if err := d.body(raw); err != nil {
		return provider.Delivery{}, fmt.Errorf("8x8: %w", err)
	}
	return d.Delivery, nil
}

// decoder gathers what one body says.
type decoder struct {
	provider.Reader

	account *Account
}

// object reads valid JSON into v; false when it is no object.
func object(raw []byte, v any) bool {
	return bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{")) && provider.Unmarshal(raw, v) == nil
}

// body tells the kinds of webhook apart. Its error is provider.ErrWrongAccount.
func (d *decoder) body(raw []byte) error {
	var e envelope
	if !object(raw, &e) {
		d.Malformed("body")
		return nil
	}
	if e.BusinessAccountID != "" && d.account.cfg.BusinessAccountID != "" &&
		string(e.BusinessAccountID) != d.account.cfg.BusinessAccountID {
		return provider.ErrWrongAccount
	}
	if len(e.EventDetails) > 0 {
		return d.event(e, raw)
	}
	var whose struct {
		SubAccountID provider.Scalar `json:"subAccountId"`
	}
	if len(e.Payload) > 0 && !object(e.Payload, &whose) {
		d.Malformed("payload")
		return nil
	}
	if whose.SubAccountID != "" && string(whose.SubAccountID) != d.account.cfg.SubAccount {
		return provider.ErrWrongAccount
	}
	switch e.EventType {
	case "inbound_message_received":
		return d.inbound(e.Payload)
	case "outbound_message_status_changed":
		d.receipt(e.Payload)
	default:
		d.Missing("event", string(e.EventType))
	}
	return nil
}

// inbound reads what a user sent to our channel.
func (d *decoder) inbound(raw json.RawMessage) error {
	var m inbound
	if len(raw) > 0 && !object(raw, &m) {
		d.Malformed("payload")
		return nil
	}
	if !m.Recipient.Channel.Is("whatsapp") {
		d.Missing("channel", m.Recipient.Channel.Lower())
		return nil
	}
	if m.Recipient.ChannelID == "" {
		d.Malformed("recipient.channelId")
		return nil
	}
	if !m.Recipient.ChannelID.Is(d.account.cfg.Channel) {
		return provider.ErrWrongAccount
	}
	user, aliases, ok := m.User.address()
	if !ok {
		d.Malformed("user")
		return nil
	}
	d.message(permissions.Event{
		ID: d.IDOr(string(m.Umid), raw), Pair: permissions.Pair{User: user}, Aliases: aliases,
		At: d.TimeOrNow(m.Timestamp), Ref: string(m.ReplyToUmid),
	}, m, raw)
	return nil
}

// address is the person's phone number, or the BSUID of one without.
func (p person) address() (user permissions.User, aliases []permissions.User, ok bool) {
	user, ok = provider.ParseUser(string(p.MSISDN))
	if !ok {
		user, ok = provider.ParseUser(string(p.ChannelUserID))
	}
	return user, provider.Aliases(user, string(p.ChannelUserID)), ok
}

func firstOf(values ...provider.Scalar) provider.Scalar {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
