package provider

import (
	"encoding/json"
	"regexp"
	"time"

	"github.com/callctl/callctl/permissions"
)

// Change is a user's new user id or number.
type Change struct {
	ID       string // of the event
	At       time.Time
	Phone    Scalar // the user's phone number now, when known
	Previous Scalar // the address that is no longer the user's
	Current  Scalar // the address that is
	UserID   Scalar // the BSUID now, when known
	Parent   Scalar // the parent BSUID now, when known
}

// Changed records a change of address. The fact is about the user at the new
// address: who had the old one is for the ledger to find out. Aliases are the
// addresses that the user has now.
func (r *Reader) Changed(c Change) {
	previous, ok := ParseUser(string(c.Previous))
	if !ok {
		r.Malformed("user_id.previous")
		return
	}
	current, ok := ParseUser(string(c.Current))
	if !ok {
		r.Malformed("user_id.current")
		return
	}
	if previous == current {
		return
	}
	user := current
	if phone, ok := ParseUser(string(c.Phone)); ok && isPhone(phone) && phone != previous {
		user = phone
	}
	r.Fact(permissions.Event{
		ID: c.ID, Kind: permissions.IDChanged, At: c.At, Pair: permissions.Pair{User: user},
		Previous: previous, Current: current, Aliases: Aliases(user, string(current), string(c.UserID), string(c.Parent)),
	})
}

func isPhone(u permissions.User) bool {
	_, phone := u.Number()
	return phone
}

// UserIDs reads value.user_id_update of Meta's change, which 8x8 relays as it is.
func (r *Reader) UserIDs(value Members) {
	list, ok := value.List("user_id_update")
	if !ok || len(list) == 0 {
		r.Malformed("user_id_update")
		return
	}
	r.Each("user_id_update", list, func(raw json.RawMessage) {
		said, ok := ReadMembers(raw)
		if !ok {
			r.Malformed("user_id_update")
			return
		}
		id := said.Object("user_id")
		r.Changed(Change{
			ID: r.ID("user_id_update", "sha256:"+r.Digest(raw)), At: r.TimeOrNow(said.Scalar("timestamp")),
			Phone:    said.Scalar("wa_id"),
			Previous: id.Scalar("previous"), Current: id.Scalar("current"),
			Parent: said.Object("parent_user_id").Scalar("current"),
		})
	})
}

// changedBody is the text of the system message about a new BSUID, which names
// the old one where the message has no member for it.
var changedBody = regexp.MustCompile(`\bfrom ([A-Z]{2}\.[A-Za-z0-9.]{1,132}) to ([A-Z]{2}\.[A-Za-z0-9.]{1,132})$`)

// System reads the system part of a message: a new number or user id, or the
// older form of a preference. from is the message's sender, the old number, and
// fromUserID the sender's BSUID. False when nobody knows such a message.
func (r *Reader) System(id string, at time.Time, from, fromUserID Scalar, said Members) bool {
	previous, current := said.Scalar("previous_user_id"), said.Scalar("user_id")
	c := Change{ID: id, At: at, Phone: said.Scalar("wa_id", "new_wa_id"), UserID: current, Parent: said.Scalar("parent_user_id")}
	switch said.Scalar("type").Lower() {
	case "user_changed_number", "customer_changed_number":
		c.Previous, c.Current = from, c.Phone
		r.Changed(c)
		if previous != "" && current != "" {
			c.ID, c.Previous, c.Current = numbered(id, 1), previous, current
			r.Changed(c)
		}
	case "user_changed_user_id":
		if found := changedBody.FindStringSubmatch(string(said.Scalar("body"))); found != nil && previous == "" {
			previous = Scalar(found[1])
		}
		c.Previous, c.Current = previous, current
		r.Changed(c)
	case "user_preference_changed":
		if _, ok := ParseUser(string(from)); !ok {
			from = fromUserID
		}
		r.preference(id, at, from, "marketing_messages", said.Scalar("marketing"), fromUserID)
	case "customer_identity_changed", "user_identity_changed":
		// A new encryption key: neither address nor permission changes.
	default:
		return false
	}
	return true
}
