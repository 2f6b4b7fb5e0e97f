package geo

import "errors"

// ErrNumber is returned for text that is no possible E.164 number. It never
// carries the text: phone numbers stay out of logs.
var ErrNumber = errors.New("geo: not an E.164 phone number")

// ErrRules is wrapped by [Load] when the embedded rules contradict themselves.
var ErrRules = errors.New("geo: invalid geography rules")

// ErrZone is returned for a name that is no IANA time zone.
var ErrZone = errors.New("geo: no such time zone")
