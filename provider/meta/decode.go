package meta

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/provider"
)

// Decode reads a webhook body of up to thousands of changes. Only changes that
// speak of our number become facts and notices: by the phone number id in their
// metadata, by the number that an account event names, and by the business
// account's id where the configuration has one. A foreign change among ours is
// Unknown ("foreign:messages"), and a body with nothing but foreign ones is
// provider.ErrWrongAccount. An element that cannot be read is Unknown with its
// place ("malformed:message.timestamp@0.56.messages.0") and its siblings count. A
// body that is no JSON, is nested deeper than provider.MaxDepth or repeats a
// member is provider.ErrMalformed.
func (a *Account) Decode(raw []byte, auth permissions.Auth) (provider.Delivery, error) {
	if err := provider.ValidJSON(raw, provider.MaxDepth); err != nil {
		return provider.Delivery{}, fmt.Errorf("meta: %w", err)
	}
	d := decoder{account: a, Reader: provider.Reader{
		Provider: name, Account: a.cfg.Name, Business: a.cfg.Business, Auth: auth, Now: a.cfg.Now,
	}}
	d.body(raw)
	if d.foreign > 0 && d.own == 0 {
		return provider.Delivery{}, fmt.Errorf("meta: %w", provider.ErrWrongAccount)
	}
	return d.Delivery, nil
}

// decoder gathers what one body says.
type decoder struct {
	provider.Reader

	account *Account
	own     int // changes that are ours or nobody's
	foreign int // changes that speak of another number or business account
}

func (d *decoder) body(raw []byte) {
	var e envelope
	if raw[firstByte(raw)] != '{' {
		d.Malformed("body")
		return
	}
	if provider.Unmarshal(raw, &e) != nil || e.Object != "whatsapp_business_account" {
		d.Missing("object", string(e.Object))
		return
	}
	entries, err := list(e.Entry)
	if err != nil || len(entries) == 0 {
		d.Malformed("entry")
		return
	}
	for i, raw := range entries {
		d.Place = strconv.Itoa(i)
		d.entry(raw)
	}
}

// entry reads what Meta says of one business account.
func (d *decoder) entry(raw json.RawMessage) {
	var en entry
	changes, err := []json.RawMessage(nil), provider.Unmarshal(raw, &en)
	if err == nil {
		changes, err = list(en.Changes)
	}
	if err != nil || len(changes) == 0 {
		d.Malformed("changes")
		return
	}
	outer := d.Place
	for i, raw := range changes {
		d.Place = outer + "." + strconv.Itoa(i)
		d.change(en, raw)
	}
}

// firstByte is the index of the first byte that is not space; raw is valid JSON,
// so there is one.
func firstByte(raw []byte) int {
	return slices.IndexFunc(raw, func(b byte) bool { return b > ' ' })
}

func (d *decoder) change(en entry, raw json.RawMessage) {
	var c change
	if provider.Unmarshal(raw, &c) != nil {
		d.Malformed("change")
		return
	}
	var v value
	number := provider.Scalar("")
	if len(c.Value) > 0 && provider.Unmarshal(c.Value, &v) == nil {
		number = v.Metadata.PhoneNumberID
	}
	field := c.Field.Lower()
	if !d.ours(en, number) {
		d.stranger(field)
		return
	}
	switch field {
	case "messages", "calls":
		d.own++
		if number == "" {
			d.Malformed(field + ".metadata")
			return
		}
		d.value(field, en, raw, v)
	case "user_id_update", "user_preferences":
		d.own++
		said, ok := provider.ReadMembers(c.Value)
		if !ok || number == "" {
			d.Malformed(field + ".metadata")
			return
		}
		d.users(field, said)
	default:
		d.news(en, raw, c)
	}
}

// ours tells whether a change can be about our number: its business account and
// its phone number id, as far as it names them, are ours. Meta writes "0" where it
// leaves the business account out.
func (d *decoder) ours(en entry, number provider.Scalar) bool {
	if want := d.account.cfg.BusinessAccountID; want != "" && en.ID != "" && en.ID != "0" && string(en.ID) != want {
		return false
	}
	return number == "" || string(number) == d.account.cfg.PhoneNumberID
}

func (d *decoder) stranger(field string) {
	d.foreign++
	d.Missing("foreign", field)
}

// users reads what changed about users beside their messages.
func (d *decoder) users(field string, said provider.Members) {
	if field == "user_id_update" {
		d.UserIDs(said)
		return
	}
	d.Preferences(said)
}

// news reads a change about our number, its templates or its account. It names
// our number otherwise than messages do, or nobody's.
func (d *decoder) news(en entry, raw json.RawMessage, c change) {
	field := c.Field.Lower()
	said, _ := provider.ReadMembers(c.Value)
	id := said.With("phone_number_settings").Scalar("phone_number_id")
	if !d.Ours(said.Scalar("phone_number", "display_phone_number")) || !d.ours(entry{}, id) {
		d.stranger(field)
		return
	}
	d.own++
	base := permissions.Notice{ID: d.newsID(en, raw), At: d.newsTime(en, said)}
	if said == nil || !d.News(field, base, said) {
		d.Missing("field", field)
	}
}

// newsID is the id of an account event. Meta gives it none: it is known by what it
// says and when it was sent.
func (d *decoder) newsID(en entry, raw json.RawMessage) string {
	return d.ID("notice", "sha256:"+d.Digest([]byte(en.ID), []byte(en.Time), raw))
}

// newsTime is when an account event happened: by its own word, or else when Meta
// sent it.
func (d *decoder) newsTime(en entry, said provider.Members) time.Time {
	if at, err := said.Scalar("timestamp").Time(); err == nil {
		return at
	}
	return d.TimeOrNow(en.Time)
}

// value hands the elements of a change that is ours to their readers.
func (d *decoder) value(field string, en entry, raw json.RawMessage, v value) {
	people := d.contacts(v.Contacts)
	shared := codes(v.Errors)
	calls, messages, statuses := d.elements("calls", v.Calls), d.elements("messages", v.Messages), d.elements("statuses", v.Statuses)
	d.Each("messages", messages, func(raw json.RawMessage) { d.message(raw, people) })
	d.Each("statuses", statuses, func(raw json.RawMessage) { d.status(field, raw, people) })
	d.Each("calls", calls, func(raw json.RawMessage) { d.call(raw, people, shared, len(calls) == 1) })
	if len(calls) == 0 {
		d.Unable("sha256:"+d.Digest([]byte(en.Time), raw), d.TimeOrNow(en.Time), shared...)
	}
	if len(messages)+len(statuses)+len(calls) > 0 {
		return
	}
	for _, code := range shared {
		if provider.FaultOf(name, code).Class != provider.FaultNumber {
			d.Missing("error", strconv.Itoa(code))
		}
	}
	if len(shared) == 0 {
		d.Missing("empty", field)
	}
}

// elements splits a list of the value.
func (d *decoder) elements(what string, raw json.RawMessage) []json.RawMessage {
	elements, err := list(raw)
	if err != nil {
		d.Malformed(what)
	}
	return elements
}
