// Package permissions is the ledger and the gate: who may be called, until when,
// by which grant, within which limits.
//
// Facts go in as [Event]s by [Ledger.Record]; state is a pure function of the
// set of events of a [Pair], so duplicates and any order of arrival end in the
// same [Permission]. Where a clock cannot be believed, or an opt-out arrives after
// a lifting that cannot have meant it, Record dates the event once, by its
// arrival, and keeps the time that it claimed in the audit. [Ledger.Authorize] is the only way to a dial: one durable
// transaction re-reads everything, writes the attempt and its [Decision], and
// returns a [Ticket].
//
// The later event wins, a tie goes to the stricter; an opt-out stands for every
// business until it is lifted, and after that only a grant that the user gave
// anew counts.
package permissions

import (
	"log/slog"
	"regexp"
	"strings"

	"github.com/callctl/callctl/geo"
)

// User is how a provider addresses a WhatsApp user: an E.164 number with plus,
// or a BSUID such as "US.13491208655302741918".
type User string

// bsuid is Meta's business-scoped user id: the country, a dot and up to 128
// letters and digits; a parent BSUID has ".ENT" in between.
var bsuid = regexp.MustCompile(`^[A-Z]{2}(\.ENT)?\.[A-Za-z0-9]{1,128}$`)

// Number is the user's phone number, when the address is one.
func (u User) Number() (geo.E164, bool) {
	if strings.HasPrefix(string(u), "+") {
		return geo.E164(u), true
	}
	return "", false
}

// Valid says whether the address is a possible phone number in canonical form or
// has the form of a BSUID.
func (u User) Valid() bool {
	if n, ok := u.Number(); ok {
		canonical, err := geo.Parse(string(n))
		return err == nil && canonical == n
	}
	return bsuid.MatchString(string(u))
}

// canonical is the form under which the ledger knows the address: numbers by
// [geo.Parse], everything else as it is.
func (u User) canonical() User {
	s := strings.TrimSpace(string(u))
	if n, err := geo.Parse(s); err == nil {
		return User(n)
	}
	return User(s)
}

// country is the ISO 3166-1 country that a BSUID begins with, "" for others.
func (u User) country() string {
	if !bsuid.MatchString(string(u)) {
		return ""
	}
	return string(u[:2])
}

// LogValue implements slog.LogValuer: users never reach a log.
func (u User) LogValue() slog.Value { return geo.E164(u).LogValue() }

// Pair is the ledger's key: permission is given by a user to one business number.
type Pair struct {
	Business geo.E164
	User     User
}

// Canonical is the pair as the ledger knows it: numbers in the form of
// [geo.Parse], everything else without spaces around it.
func (p Pair) Canonical() Pair {
	p.User = p.User.canonical()
	if n, err := geo.Parse(string(p.Business)); err == nil {
		p.Business = n
	}
	return p
}

// LogValue implements slog.LogValuer.
func (p Pair) LogValue() slog.Value {
	return slog.GroupValue(slog.Any("business", p.Business), slog.Any("user", p.User))
}
