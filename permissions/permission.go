package permissions

import "time"

// Status of a permission, in the providers' words.
type Status string

// The statuses.
const (
	StatusNone      Status = "no_permission"
	StatusTemporary Status = "temporary"
	StatusPermanent Status = "permanent"
)

// Permission is the state of a pair: the projection of its events at a time.
type Permission struct {
	Pair       Pair
	Subject    string // opaque id of the user
	Status     Status
	Reason     Reason    // Allowed, or why Status is no_permission
	Expires    time.Time // effective expiry, zero for permanent or none
	ProviderEx time.Time // the provider's expiry verbatim
	Grant      string    // event id
	GrantedAt  time.Time
	GrantAuth  Auth
	Verified   bool // signed or read back
	DoNotCall  bool
	Requested  time.Time // last request, zero for none
	Requests   int       // in the pack's longest window
	Attempts   int       // under the present grant
	Connected  int       // calls in the last 24 h
	Epoch      int64     // the number of events that took permission away
	UpdatedAt  time.Time

	Doubted         bool      // the provider refused a call on the grant, and no read-back has confirmed it since
	ReadAt          time.Time // the last read-back, zero for none
	Unanswered      int       // calls in a row that the user did not answer or declined
	Zone            string    // the customer's own time zone (IANA), "" when not given
	MessagesStopped bool      // the user wants no messages, or no marketing
}
