package meta

import (
	"encoding/json"

	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/provider"
)

// maxContacts is how many contacts of one change may speak of the same person.
// More would only add aliases, and a person has few.
const maxContacts = 16

// contacts are the people of a change. They are found by address, so that the
// work on a body grows with its size and not with its square.
type contacts struct {
	only   *contact // the contact, when there is just one
	byUser map[permissions.User][]contact
}

// contacts reads the people of a change; unreadable ones are left out, since they
// only add aliases.
func (d *decoder) contacts(raw json.RawMessage) contacts {
	elements := d.elements("contacts", raw)
	people := contacts{byUser: make(map[permissions.User][]contact, len(elements))}
	read := 0
	for _, element := range elements {
		var c contact
		if provider.Unmarshal(element, &c) != nil {
			continue
		}
		read++
		people.only = &c
		people.add(c)
	}
	if read != 1 {
		people.only = nil
	}
	return people
}

// add makes the contact known under its own addresses, not under its parent's,
// which several people share.
func (p *contacts) add(c contact) {
	first, ok := provider.ParseUser(string(c.WAID))
	if ok && len(p.byUser[first]) < maxContacts {
		p.byUser[first] = append(p.byUser[first], c)
	}
	second, ok := provider.ParseUser(string(c.UserID))
	if ok && second != first && len(p.byUser[second]) < maxContacts {
		p.byUser[second] = append(p.byUser[second], c)
	}
}
