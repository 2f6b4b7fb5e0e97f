package geo

import "errors"

// ErrNumber is wrapped by everything that [Parse] refuses. No error carries the
// text: phone numbers stay out of logs.
var ErrNumber = errors.New("geo: not an E.164 phone number")

// ErrRules is wrapped by [Load] when the embedded rules contradict themselves,
// and by the JSON form of [Hours].
var ErrRules = errors.New("geo: invalid geography rules")

// ErrZone is returned for a name that is no IANA time zone.
var ErrZone = errors.New("geo: no such time zone")
