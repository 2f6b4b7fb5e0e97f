package provider

import (
	"encoding/json"
	"strconv"

	"github.com/callctl/callctl/permissions"
)

// Each reads the elements of a list, each in its own place.
func (r *Reader) Each(list string, elements []json.RawMessage, read func(raw json.RawMessage)) {
	outer := r.Place
	defer func() { r.Place = outer }()
	prefix := list + "."
	if outer != "" {
		prefix = outer + "." + prefix
	}
	for i, raw := range elements {
		r.Place = prefix + strconv.Itoa(i)
		read(raw)
	}
}

// Contacts reads value.contacts where they come by themselves: a phone number and
// a BSUID of the same user are aliases. A contact with one address says nothing.
func (r *Reader) Contacts(base permissions.Event, value Members) {
	list, ok := value.List("contacts")
	if !ok || len(list) == 0 {
		r.Malformed("contacts")
		return
	}
	r.Each("contacts", list, func(raw json.RawMessage) {
		said, ok := ReadMembers(raw)
		if !ok {
			r.Malformed("contact")
			return
		}
		user, ok := ParseUser(string(said.Scalar("wa_id")))
		if !ok || !isPhone(user) {
			return
		}
		aliases := Aliases(user, string(said.Scalar("user_id")), string(said.Scalar("parent_user_id")))
		if len(aliases) == 0 {
			return
		}
		e := base
		e.ID, e.Kind = r.ID("contact", "sha256:"+r.Digest(raw)), permissions.IDChanged
		e.Pair.User, e.Current, e.Aliases = user, aliases[0], aliases
		r.Fact(e)
	})
}

// MetaValue finds the value of Meta's change in what 8x8 relays: the change, its
// value alone, or the whole delivery around one change.
func MetaValue(raw json.RawMessage) (Members, bool) {
	for range 4 {
		said, ok := ReadMembers(raw)
		if !ok {
			return nil, false
		}
		switch {
		case said.Has("value") && !said.Has("user_id_update", "user_preferences", "contacts"):
			raw = said.Raw("value")
		case said.Has("changes"), said.Has("entry"):
			list, ok := said.List("changes", "entry")
			if !ok || len(list) != 1 {
				return nil, false
			}
			raw = list[0]
		default:
			return said, true
		}
	}
	return nil, false
}
