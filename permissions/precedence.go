package permissions

import (
	"cmp"
	"strings"
)

// compareEvents orders by time, then from the most permissive to the strictest,
// then by id, so that the order is total and does not depend on arrival.
func compareEvents(a, b Event) int {
	return cmp.Or(
		a.At.Compare(b.At),
		cmp.Compare(strictness(a.Kind), strictness(b.Kind)),
		compareGrants(a, b),
		compareBool(a.Delivery == deliveryFailed, b.Delivery == deliveryFailed),
		strings.Compare(a.ID, b.ID),
		a.Received.Compare(b.Received),
	)
}

// strictness ranks kinds at one instant. A grant stands before the lifting of an
// opt-out, because only one that comes after it counts.
func strictness(k EventKind) int {
	switch k {
	case Granted:
		return 1
	case OptOutLifted, MessagesResumed:
		return 2
	case ReadBack:
		return 3
	case IDChanged:
		return 4
	case Declined:
		return 5
	case Revoked:
		return 6
	case OptedOut, MessagesStopped:
		return 7
	case Requested:
		return 9 // a call that connects at this instant does not reset it
	case Messaged, Attempted, Settled, Called, Confirmed, Reported, Delivered, Located:
		return 8
	case Willing, Expired, Expiring, sighted:
		return 10
	}
	return 11
}

// compareGrants orders grants of one instant: automatic before the user's own,
// permanent before temporary, later expiry before earlier, so that the narrowest
// wins. A temporary grant without expiry comes before one with.
func compareGrants(a, b Event) int {
	if a.Kind != Granted || b.Kind != Granted {
		return 0
	}
	return cmp.Or(
		-compareBool(a.Automatic, b.Automatic),
		-compareBool(a.Permanent, b.Permanent),
		-compareBool(a.Expires.IsZero(), b.Expires.IsZero()),
		-a.Expires.Compare(b.Expires),
	)
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}
