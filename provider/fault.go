package provider

import (
	"errors"
	"strconv"
	"time"

	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/sipbridge"
)

// FaultClass says what to do about a provider's refusal.
type FaultClass string

// The classes of fault.
const (
	FaultRetry    FaultClass = "retry"    // pauses that grow, then the same again
	FaultAsk      FaultClass = "ask"      // ask the provider for the permission: it differs from what is known here
	FaultWait     FaultClass = "wait"     // not before Until, or after Wait
	FaultNumber   FaultClass = "number"   // nothing of the kind works from our number until somebody acts
	FaultTemplate FaultClass = "template" // the template cannot be sent
	FaultUser     FaultClass = "user"     // the user cannot be reached, or does not want this kind of message
	FaultMedia    FaultClass = "media"    // the call's media failed
	FaultRequest  FaultClass = "request"  // our request is wrong, or we are not let in: no retry
	FaultUnknown  FaultClass = "unknown"  // a code that nobody here knows: no retry
)

// Fault is a provider's code and what it calls for.
type Fault struct {
	Code  int // Meta's, see [MetaCode]
	Class FaultClass
	// Wait is the least time to leave the request alone, 0 when the provider says
	// how long, or when time does not cure it.
	Wait    time.Duration
	Meaning string
}

// FaultOf classes a code of a provider ("meta", "8x8"). An unknown one has
// FaultUnknown.
func FaultOf(provider string, code int) Fault {
	code = MetaCode(provider, code)
	for _, table := range [][]Fault{Faults(), ownFaults(provider)} {
		for _, f := range table {
			if f.Code == code {
				return f
			}
		}
	}
	return Fault{Code: code, Class: FaultUnknown, Meaning: "not a known code"}
}

// Classify classes an error of a provider's API or of a call on it. False when err
// is no refusal; nobody knows then what the provider did.
func Classify(err error) (Fault, bool) {
	if refused, ok := errors.AsType[*APIError](err); ok {
		f := FaultOf(refused.Provider, refused.Code)
		if f.Class == FaultUnknown {
			f.Class = classOfStatus(refused.Status)
		}
		return f, true
	}
	if refused, ok := errors.AsType[*sipbridge.CarrierError](err); ok {
		f := FaultOf("meta", refused.Code)
		if f.Class == FaultUnknown {
			f.Class = classOfStatus(refused.Status)
		}
		return f, true
	}
	return Fault{}, false
}

// classOfStatus is what an HTTP status says where the code does not (RFC 9110
// section 15, RFC 6585 section 4).
func classOfStatus(status int) FaultClass {
	switch {
	case status == 429 || status >= 500:
		return FaultRetry
	case status == 401 || status == 403:
		return FaultRequest
	}
	return FaultUnknown
}

// NumberFault is the notice of a refusal whose reason is our number or its
// account, not the user; false for every other error. The caller sets ID,
// Business, Account and At.
func NumberFault(err error) (permissions.Notice, bool) {
	f, ok := Classify(err)
	if !ok || f.Class != FaultNumber {
		return permissions.Notice{}, false
	}
	n := unable(f)
	n.Auth = permissions.AuthReadBack
	if refused, ok := errors.AsType[*APIError](err); ok {
		n.Until = refused.Until
	}
	return n, true
}

func unable(f Fault) permissions.Notice {
	return permissions.Notice{Kind: permissions.Unable, Code: f.Code, Type: f.Meaning}
}

// RetryAt is when a refusal allows the same request again, zero when it does not
// say or when time does not cure it.
func RetryAt(err error, now time.Time) time.Time {
	f, ok := Classify(err)
	if !ok || f.Class != FaultWait && f.Class != FaultRetry && f.Class != FaultUser {
		return time.Time{}
	}
	if refused, ok := errors.AsType[*APIError](err); ok {
		switch {
		case refused.Until.After(now):
			return refused.Until
		case refused.RetryAfter > 0:
			return now.Add(refused.RetryAfter)
		}
	}
	if f.Wait > 0 {
		return now.Add(f.Wait)
	}
	return time.Time{}
}

// Unable adds a notice for each code that a webhook gives and whose reason is our
// number; subject is the id of the message or call that failed.
func (r *Reader) Unable(subject string, at time.Time, codes ...int) {
	for _, code := range codes {
		f := FaultOf(r.Provider, code)
		if f.Class != FaultNumber {
			continue
		}
		n := unable(f)
		n.ID, n.At = r.ID("unable", strconv.Itoa(f.Code), subject), at
		r.Notice(n)
	}
}
