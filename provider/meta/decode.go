package meta

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/provider"
)

// Decode reads a webhook body of up to thousands of changes. Only changes whose
// metadata names our phone number id become facts; a foreign one among them is
// Unknown ("foreign:messages"), and a body with nothing but foreign ones is
// provider.ErrWrongAccount. An element that cannot be read is Unknown
// ("malformed:message.timestamp") and its siblings count. A body that is no JSON,
// is nested deeper than provider.MaxDepth or repeats a member is
// provider.ErrMalformed.
func (a *Account) Decode(raw []byte, auth permissions.Auth) (provider.Delivery, error) {
	if err := provider.ValidJSON(raw, provider.MaxDepth); err != nil {
		return provider.Delivery{}, fmt.Errorf("meta: %w", err)
	}
	d := decoder{account: a, auth: auth}
	d.body(raw)
	if d.foreign > 0 && d.own == 0 {
		return provider.Delivery{}, fmt.Errorf("meta: %w", provider.ErrWrongAccount)
	}
	return d.out, nil
}

// decoder gathers what one body says.
type decoder struct {
	account *Account
	auth    permissions.Auth
	out     provider.Delivery
	own     int // changes that are ours or nobody's
	foreign int // changes that name another phone number id
}

func (d *decoder) unknown(kind, word string) {
	d.out.Unknown = append(d.out.Unknown, provider.Unknown(kind, word))
}

func (d *decoder) malformed(what string) {
	d.out.Unknown = append(d.out.Unknown, provider.MalformedError(what).Error())
}

func (d *decoder) body(raw []byte) {
	var e envelope
	if raw[firstByte(raw)] != '{' {
		d.malformed("body")
		return
	}
	if provider.Unmarshal(raw, &e) != nil || e.Object != "whatsapp_business_account" {
		d.unknown("object", string(e.Object))
		return
	}
	entries, err := list(e.Entry)
	if err != nil || len(entries) == 0 {
		d.malformed("entry")
		return
	}
	for _, raw := range entries {
		var en entry
		changes, err := []json.RawMessage(nil), provider.Unmarshal(raw, &en)
		if err == nil {
			changes, err = list(en.Changes)
		}
		if err != nil || len(changes) == 0 {
			d.malformed("changes")
			continue
		}
		for _, raw := range changes {
			d.change(raw)
		}
	}
}

// firstByte is the index of the first byte that is not space; raw is valid JSON,
// so there is one.
func firstByte(raw []byte) int {
	return slices.IndexFunc(raw, func(b byte) bool { return b > ' ' })
}

func (d *decoder) change(raw json.RawMessage) {
	var c change
	if provider.Unmarshal(raw, &c) != nil {
		d.malformed("change")
		return
	}
	var v value
	number := provider.Scalar("")
	if len(c.Value) > 0 && provider.Unmarshal(c.Value, &v) == nil {
		number = v.Metadata.PhoneNumberID
	}
	if number != "" && string(number) != d.account.cfg.PhoneNumberID {
		d.foreign++
		d.unknown("foreign", c.Field.Lower())
		return
	}
	d.own++
	switch field := c.Field.Lower(); {
	case field != "messages" && field != "calls":
		d.unknown("field", field)
	case number == "":
		d.malformed(field + ".metadata")
	default:
		d.value(field, v)
	}
}

// value hands the elements of a change that is ours to their readers.
func (d *decoder) value(field string, v value) {
	people := d.contacts(v.Contacts)
	shared := codes(v.Errors)
	calls := d.elements("calls", v.Calls)
	seen := len(calls)
	for _, raw := range d.elements("messages", v.Messages) {
		seen++
		d.message(raw, people)
	}
	for _, raw := range d.elements("statuses", v.Statuses) {
		seen++
		d.status(field, raw, people)
	}
	for _, raw := range calls {
		d.call(raw, people, shared, len(calls) == 1)
	}
	if seen > 0 {
		return
	}
	for _, code := range shared {
		d.unknown("error", strconv.Itoa(code))
	}
	if len(shared) == 0 {
		d.unknown("empty", field)
	}
}

// elements splits a list of the value.
func (d *decoder) elements(what string, raw json.RawMessage) []json.RawMessage {
	elements, err := list(raw)
	if err != nil {
		d.malformed(what)
	}
	return elements
}
