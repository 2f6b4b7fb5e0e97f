// Package geo knows phone numbers: E.164, regions, and the dated rules of where
// WhatsApp calling exists.
//
// A region is an ISO 3166-1 country such as "SG", or an ISO 3166-2 territory
// such as "UA-43" where the platform's rules differ within a country. The rules
// are data with dates and sources (rules/geography.json), shipped in the binary.
package geo

import (
	"log/slog"
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// maxDigits is the longest number of ITU-T E.164, section 6.2.1.
const maxDigits = 15

// E164 is a phone number with its leading plus, such as "+6591234567". Its
// LogValue masks all but the last two digits.
type E164 string

// Parse reads a number in E.164 form; a missing plus is tolerated when
// everything else is digits (providers leave it out). The result is the
// canonical form: a national prefix that does not belong into an international
// number is dropped, so parsing the result gives the result. Anything else,
// and every number too short or too long for its country, is [ErrNumber].
func Parse(s string) (E164, error) {
	digits := strings.TrimPrefix(s, "+")
	if digits == "" || len(digits) > maxDigits || strings.Trim(digits, "0123456789") != "" {
		return "", ErrNumber
	}
	first, ok := canonical(digits)
	if !ok {
		return "", ErrNumber
	}
	// A number whose canonical form reads differently again belongs to no plan.
	if again, ok := canonical(first.Digits()); !ok || again != first {
		return "", ErrNumber
	}
	return first, nil
}

// canonical is the E.164 form of digits that are a possible number somewhere.
func canonical(digits string) (E164, bool) {
	number, err := phonenumbers.Parse("+"+digits, "")
	if err != nil || phonenumbers.IsPossibleNumberWithReason(number) != phonenumbers.IS_POSSIBLE {
		return "", false
	}
	out := E164(phonenumbers.Format(number, phonenumbers.E164))
	return out, len(out.Digits()) <= maxDigits
}

// Digits is the number without the plus, as Meta writes it.
func (n E164) Digits() string { return strings.TrimPrefix(string(n), "+") }

// LogValue implements slog.LogValuer: numbers never reach a log.
func (n E164) LogValue() slog.Value {
	if len(n) < 4 {
		return slog.StringValue("+…")
	}
	return slog.StringValue("+…" + string(n[len(n)-2:]))
}
