package geo

import "errors"

// ErrNumber is wrapped by everything that [Parse] refuses. No error carries the
// text: phone numbers stay out of logs.
var ErrNumber = errors.New("geo: not an E.164 phone number")

// The ways in which a text is no phone number; all wrap [ErrNumber].
var (
	ErrNumberEmpty      = &NumberError{reason: "number_empty", text: "geo: the phone number is empty"}
	ErrNumberCharacters = &NumberError{
		reason: "number_characters",
		text:   "geo: a phone number is digits after an optional plus: no letters, spaces, brackets or extensions",
	}
	ErrNumberShort   = &NumberError{reason: "number_too_short", text: "geo: the phone number is too short for its country"}
	ErrNumberLong    = &NumberError{reason: "number_too_long", text: "geo: the phone number is too long for its country, or for E.164 (15 digits)"}
	ErrNumberCountry = &NumberError{
		reason: "number_country_unknown",
		text:   "geo: the phone number begins with no country code; it is written as from abroad, without the international prefix (00, 011)",
	}
	ErrNumberPlan = &NumberError{
		reason: "number_not_in_plan",
		text:   "geo: the phone number has a length that its country's numbering plan does not have",
	}
)

// NumberError says why a text is no phone number. It never repeats the text.
type NumberError struct{ reason, text string }

// Error implements error: what is wrong and what a number looks like.
func (e *NumberError) Error() string { return e.text }

// Reason is the machine word, such as "number_too_short".
func (e *NumberError) Reason() string { return e.reason }

// Unwrap is [ErrNumber].
func (e *NumberError) Unwrap() error { return ErrNumber }

// ErrRules is wrapped by [Load] when the embedded rules contradict themselves or
// an override is invalid, and by the JSON form of [Hours].
var ErrRules = errors.New("geo: invalid geography rules")

// ErrZone is returned for a name that is no IANA time zone.
var ErrZone = errors.New("geo: no such time zone")
