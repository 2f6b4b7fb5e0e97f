package provider

import "strings"

// MalformedError names a part of a delivery that is of a known kind and could not be
// read, such as "message.timestamp". It never holds a value of the delivery.
type MalformedError string

// Error implements error; it is the entry in Delivery.Unknown.
func (m MalformedError) Error() string { return "malformed:" + string(m) }

// maxWord bounds a provider's word that is kept, in bytes.
const maxWord = 64

// Unknown is the name of a part that was not understood: kind, a colon and the
// provider's word for it. The word came over the wire, so only letters, digits,
// "_", "-" and "." survive; one that is empty, overlong or could hold a phone
// number becomes "unreadable".
func Unknown(kind, word string) string {
	clean := clean(word)
	if clean == "" {
		clean = "unreadable"
	}
	return kind + ":" + clean
}

// Word is a provider's word, such as an event, a reason or a tier, in upper case
// and as [Unknown] keeps words: empty when nothing of it may be kept.
func Word(s Scalar) string {
	return strings.ToUpper(clean(strings.ReplaceAll(s.trim(), " ", "_")))
}

func clean(word string) string {
	digits := 0
	kept := strings.Map(func(r rune) rune {
		switch {
		case r >= '0' && r <= '9':
			digits++
			return r
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r == '_', r == '-', r == '.':
			return r
		}
		return -1
	}, word)
	if len(word) > maxWord || digits > 6 {
		return ""
	}
	return kept
}
