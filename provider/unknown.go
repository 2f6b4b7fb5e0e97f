package provider

import "strings"

// MalformedError names a part of a delivery that is of a known kind and could not be
// read, such as "message.timestamp". It never holds a value of the delivery.
type MalformedError string

// Error implements error; it is the entry in Delivery.Unknown.
func (m MalformedError) Error() string { return "malformed:" + string(m) }

// maxWord bounds a provider's word in an Unknown name.
const maxWord = 64

// Unknown is the name of a part that was not understood: kind, a colon and the
// provider's word for it. The word came over the wire, so only letters, digits,
// "_", "-" and "." survive; one that is empty, overlong or could hold a phone
// number becomes "unreadable".
func Unknown(kind, word string) string {
	digits := 0
	clean := strings.Map(func(r rune) rune {
		switch {
		case r >= '0' && r <= '9':
			digits++
			return r
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r == '_', r == '-', r == '.':
			return r
		}
		return -1
	}, word)
	if clean == "" || len(word) > maxWord || digits > 6 {
		clean = "unreadable"
	}
	return kind + ":" + clean
}
