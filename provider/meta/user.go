package meta

import (
	"slices"

	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/provider"
)

// user picks the person out of the addresses that an element gives: the first
// that can be one and is not our business number, phone numbers before BSUIDs.
// When the element gives no phone number and the change has a single contact,
// that contact is the person. The BSUIDs among all of them are the aliases.
func (d *decoder) user(people contacts, addresses ...provider.Scalar) (permissions.User, []permissions.User, bool) {
	if c := people.only; c != nil && d.fills(*c, addresses) {
		addresses = append(slices.Clone(addresses), c.WAID, c.UserID)
	}
	var user permissions.User
	for _, address := range addresses {
		found, ok := provider.ParseUser(string(address))
		if !ok || d.ourNumber(address) {
			continue
		}
		_, phone := found.Number()
		if phone {
			user = found
			break
		}
		if user == "" {
			user = found
		}
	}
	if user == "" {
		return "", nil, false
	}
	return user, provider.Aliases(user, d.known(user, people, addresses)...), true
}

// ourNumber tells whether an address is our business number, in whichever form.
func (d *decoder) ourNumber(address provider.Scalar) bool { return address != "" && d.Ours(address) }

// fills tells whether the contact may stand in for an element's addresses: none
// of them is a user's phone number, and no BSUID among them is another person's.
func (d *decoder) fills(c contact, addresses []provider.Scalar) bool {
	for _, address := range addresses {
		found, ok := provider.ParseUser(string(address))
		if !ok || d.ourNumber(address) {
			continue
		}
		if _, phone := found.Number(); phone {
			return false
		}
		if c.UserID != "" && c.UserID != address && c.ParentUserID != address {
			return false
		}
	}
	return true
}

// known are all addresses of the person: those of the element and those of the
// contact that shares one with it.
func (d *decoder) known(user permissions.User, people contacts, addresses []provider.Scalar) []string {
	known := make([]string, 0, len(addresses)+3)
	for _, address := range addresses {
		known = append(known, string(address))
	}
	for _, c := range people.byUser[user] {
		known = append(known, string(c.UserID), string(c.ParentUserID))
	}
	return known
}
