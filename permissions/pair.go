// Package permissions is the ledger and the gate: who may be called, until when,
// by which grant, within which limits.
//
// Facts go in as [Event]s by [Ledger.Record]; state is a pure function of the
// set of events of a [Pair], so duplicates and any order of arrival end in the
// same [Permission]. [Ledger.Authorize] is the only way to a dial: one durable
// transaction re-reads everything, writes the attempt and its [Decision], and
// returns a [Ticket].
package permissions

import (
	"log/slog"
	"strings"

	"github.com/callctl/callctl/geo"
)

// User is how a provider addresses a WhatsApp user: an E.164 number with plus,
// or a BSUID such as "US.13491208655302741918".
type User string

// Number is the user's phone number, when the address is one.
func (u User) Number() (geo.E164, bool) {
	if strings.HasPrefix(string(u), "+") {
		return geo.E164(u), true
	}
	return "", false
}

// LogValue implements slog.LogValuer: users never reach a log.
func (u User) LogValue() slog.Value { return geo.E164(u).LogValue() }

// Pair is the ledger's key: permission is given by a user to one business number.
type Pair struct {
	Business geo.E164
	User     User
}

// LogValue implements slog.LogValuer.
func (p Pair) LogValue() slog.Value {
	return slog.GroupValue(slog.Any("business", p.Business), slog.Any("user", p.User))
}
