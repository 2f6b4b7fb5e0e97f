package notify

import "errors"

var (
	// ErrConfig is returned by [New] for a Config that cannot work.
	ErrConfig = errors.New("notify: incomplete configuration")
	// ErrURL is returned for an address that is not posted to.
	ErrURL = errors.New("notify: address refused")
	// ErrKinds is returned for a filter that is neither kinds nor prefixes.
	ErrKinds = errors.New("notify: malformed filter of kinds")
	// ErrAfter is returned for an index that the log does not have.
	ErrAfter = errors.New("notify: no such audit index")
	// ErrTooMany is returned when there are [MaxSubscriptions] already.
	ErrTooMany = errors.New("notify: too many subscriptions")
	// ErrNotFound is returned for a subscription that does not exist.
	ErrNotFound = errors.New("notify: no such subscription")
	// ErrForbiddenAddress is returned by the dialer for a host that leads to no
	// address that may be dialled.
	ErrForbiddenAddress = errors.New("notify: the host leads to a forbidden address")
	// ErrSecret is returned for a secret that is not of the Standard Webhooks form.
	ErrSecret = errors.New("notify: malformed secret")
)

// errEnded is why a courier whose subscription is gone ends.
var errEnded = errors.New("notify: the subscription ended")
