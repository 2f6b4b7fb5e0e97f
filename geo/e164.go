// Package geo knows phone numbers: E.164, regions, and the dated rules of where
// WhatsApp calling exists.
package geo

import (
	"errors"
	"log/slog"
	"strings"
)

// ErrNumber is returned for text that is no possible E.164 number.
var ErrNumber = errors.New("geo: not an E.164 phone number")

// E164 is a phone number with its leading plus, such as "+6591234567". Its
// LogValue masks all but the last two digits.
type E164 string

// Parse reads a number in E.164 form; a missing plus is tolerated when
// everything else is digits (providers leave it out).
func Parse(s string) (E164, error) { return "", ErrNumber }

// Digits is the number without the plus, as Meta writes it.
func (n E164) Digits() string { return strings.TrimPrefix(string(n), "+") }

// LogValue implements slog.LogValuer: numbers never reach a log.
func (n E164) LogValue() slog.Value {
	if len(n) < 4 {
		return slog.StringValue("+…")
	}
	return slog.StringValue("+…" + string(n[len(n)-2:]))
}
