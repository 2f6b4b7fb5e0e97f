package provider

import (
	"regexp"
	"strings"
	"unicode"
)

// maxMessage bounds the provider's words that are kept in an error, in bytes.
const maxMessage = 300

// personal matches what names a person in a provider's error text: phone numbers
// however they are spaced, BSUIDs, and call and message ids, whose base64 holds
// the number.
var personal = regexp.MustCompile(
	`(?:wacid|wamid)\.\S+|\b[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{8,}|\+?\d(?:[ .()/-]{0,2}\d){6,}`)

// Redact makes a provider's words fit for an error that will be logged: numbers
// of seven and more digits, BSUIDs and call ids become "…", control characters
// become spaces, and the text ends after 300 bytes.
func Redact(s string) string {
	s = personal.ReplaceAllString(s, "…")
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "�"))
	if len(s) > maxMessage {
		s = strings.ToValidUTF8(s[:maxMessage], "") + "…"
	}
	return strings.TrimSpace(s)
}
