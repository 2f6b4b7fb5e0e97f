package provider

import (
	"regexp"
	"slices"
	"strings"

	"github.com/callctl/callctl/permissions"
)

// bsuid is a business-scoped user id: two letters of a country, a dot and at
// most 128 letters and digits; a parent's has "ENT." between (protocol: Meta,
// business-scoped user IDs).
var bsuid = regexp.MustCompile(`^[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}$`)

// ParseUser reads a user's address as providers write it. A phone number, with
// or without its plus, becomes "+" and digits; a BSUID stays as it is; ok is
// false for anything else, the empty text included.
func ParseUser(s string) (user permissions.User, ok bool) {
	s = strings.TrimSpace(s)
	if bsuid.MatchString(s) {
		return permissions.User(s), true
	}
	digits := strings.TrimPrefix(s, "+")
	if len(digits) < 5 || len(digits) > 15 || digits[0] == '0' {
		return "", false
	}
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return "", false
		}
	}
	return permissions.User("+" + digits), true
}

// Aliases are the BSUIDs among the addresses, without user itself and without
// repeats. A second phone number is never an alias: a changed number must not
// inherit what was granted to the old one.
func Aliases(user permissions.User, addresses ...string) []permissions.User {
	var aliases []permissions.User
	for _, address := range addresses {
		alias, ok := ParseUser(address)
		if !ok || alias == user || slices.Contains(aliases, alias) {
			continue
		}
		if _, phone := alias.Number(); !phone {
			aliases = append(aliases, alias)
		}
	}
	return aliases
}
