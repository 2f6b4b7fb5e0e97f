// Package geo knows phone numbers: E.164, regions, and the dated rules of where
// WhatsApp calling exists.
//
// A region is an ISO 3166-1 country such as "SG", or an ISO 3166-2 territory
// such as "UA-43" where the platform's rules differ within a country. The rules
// are data with dates and sources (rules/geography.json), shipped in the binary.
package geo

import (
	"errors"
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
// number is dropped, so parsing the result gives the result. Anything else is a
// [NumberError], which wraps [ErrNumber] and says whether the text is empty, has
// other characters than digits, is too short or too long, or belongs to no country.
//
// A number that is possible is accepted, assigned or not: the providers' own
// samples are not assigned. Forms that WhatsApp keeps although the plan gave them
// up stay as they are, see [Forms]; the 15 of an Argentine mobile becomes the
// international 9.
func Parse(s string) (E164, error) {
	if n, ok := parsed.of(s); ok {
		return n, nil
	}
	n, err := parse(s)
	if err == nil {
		parsed.keep(s, n)
	}
	return n, err
}

func parse(s string) (E164, error) {
	digits := strings.TrimPrefix(s, "+")
	switch {
	case digits == "":
		return "", ErrNumberEmpty
	case strings.Trim(digits, "0123456789") != "":
		return "", ErrNumberCharacters
	case len(digits) > maxDigits:
		return "", ErrNumberLong
	}
	if n := E164("+" + digits); planForm(n) != n {
		if _, err := canonical(planForm(n).Digits()); err != nil {
			return "", err
		}
		return n, nil
	}
	first, err := canonical(digits)
	if err != nil {
		return "", err
	}
	if first.Digits() == digits {
		return first, nil
	}
	// A number whose canonical form reads differently again belongs to no plan.
	if again, err := canonical(first.Digits()); err != nil || again != first {
		return "", ErrNumberPlan
	}
	return first, nil
}

// canonical is the E.164 form of digits that are a possible number somewhere.
func canonical(digits string) (E164, error) {
	number, err := phonenumbers.Parse("+"+digits, "")
	switch {
	case errors.Is(err, phonenumbers.ErrInvalidCountryCode):
		return "", ErrNumberCountry
	case errors.Is(err, phonenumbers.ErrNumTooLong):
		return "", ErrNumberLong
	case err != nil: // a country code with nothing or next to nothing behind it
		return "", ErrNumberShort
	}
	switch phonenumbers.IsPossibleNumberWithReason(number) {
	case phonenumbers.IS_POSSIBLE:
	case phonenumbers.INVALID_COUNTRY_CODE:
		return "", ErrNumberCountry
	case phonenumbers.TOO_SHORT, phonenumbers.IS_POSSIBLE_LOCAL_ONLY: // the latter lacks its area code
		return "", ErrNumberShort
	case phonenumbers.TOO_LONG:
		return "", ErrNumberLong
	default:
		return "", ErrNumberPlan
	}
	out := E164(phonenumbers.Format(number, phonenumbers.E164))
	if len(out.Digits()) > maxDigits {
		return "", ErrNumberLong
	}
	return out, nil
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
