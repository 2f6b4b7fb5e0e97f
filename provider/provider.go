// Package provider says what a WhatsApp provider is to the rest of callctl; each
// provider has a folder of its own below, the place where a new one is added.
//
// Beside the interfaces it holds what every provider needs to read hostile or
// sloppy JSON without losing a fact ([ValidJSON], [Unmarshal], [Scalar]), to name
// users in one way ([ParseUser]) and to talk to an HTTP API ([API]).
package provider

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/sipbridge"
)

// ErrUnauthenticated is returned by Authenticate for a delivery that is not the
// provider's.
var ErrUnauthenticated = errors.New("provider: delivery is not authenticated")

// ErrMalformed is wrapped by Decode for a body that is not JSON at all.
var ErrMalformed = errors.New("provider: body is not valid JSON")

// ErrWrongAccount is returned by Decode when the body speaks of another account.
var ErrWrongAccount = errors.New("provider: delivery belongs to another account")

// ErrConfig is wrapped by the New of every provider.
var ErrConfig = errors.New("provider: unusable account configuration")

// MinSecret is the shortest secret that may authenticate webhooks, in bytes: 128
// bits. New of every provider refuses a shorter one, so that none fails open.
const MinSecret = 16

// Delivery is what one webhook body said.
type Delivery struct {
	Facts   []permissions.Event  // for the ledger: about users
	Notices []permissions.Notice // for the ledger: about our numbers, templates and account
	Calls   []sipbridge.Event    // for the bridge
	// Unknown names the parts that were stored and not understood, such as
	// "field:flows" or "type:unsupported", those of somebody else's number
	// ("foreign:messages") and those that could not be read, such as
	// "malformed:message.timestamp". Where a body can have many parts the name ends
	// with the part's place: "@0.56.messages.3" is the fourth message of the 57th
	// change of the first entry. It holds no personal data.
	Unknown []string
}

// Provider is one account at a provider.
type Provider interface {
	// Authenticate checks the raw delivery, in constant time, before anything is
	// parsed. Errors wrap ErrUnauthenticated.
	Authenticate(h http.Header, raw []byte) (permissions.Auth, error)
	// Decode turns an authenticated body into facts. Errors wrap ErrMalformed or
	// ErrWrongAccount; unknown parts are no error.
	Decode(raw []byte, auth permissions.Auth) (Delivery, error)
	// RequestPermission sends the call permission request as a template message
	// and returns the provider's message id. id is ours.
	RequestPermission(ctx context.Context, to permissions.User, t Template, id string) (message string, err error)
	// SendText sends a free-form text and returns the provider's message id.
	SendText(ctx context.Context, to permissions.User, text, id string) (message string, err error)
}

// Challenger is a provider whose webhook is verified by a GET handshake.
type Challenger interface {
	// Challenge returns the body to answer with; ok is false for a wrong token.
	Challenge(query map[string][]string) (body string, ok bool)
}

// APIError is a provider's refusal of a request.
type APIError struct {
	Provider   string
	Status     int           // HTTP status
	Code       int           // the provider's code, see [Faults]
	Message    string        // the provider's words, without numbers
	ID         string        // the provider's id of the incident, for its support; may be empty
	RetryAfter time.Duration // how long the provider asks to wait, 0 when it does not say
	Until      time.Time     // when the provider will take such a request again, zero when it does not say
}

// Error implements error.
func (e *APIError) Error() string {
	return fmt.Sprintf("%s: %s (code %d, status %d)", e.Provider, e.Message, e.Code, e.Status)
}

// Throttled says that the provider was asked too often (HTTP 429, or Meta's code for a
// rate limit, which comes with other statuses too), and for how long it asks to wait,
// 0 when it does not say.
func (e *APIError) Throttled() (wait time.Duration, yes bool) {
	if e.Status == http.StatusTooManyRequests {
		return e.RetryAfter, true
	}
	switch MetaCode(e.Provider, e.Code) {
	case codeAppLimit, codeCallLimit, codeAccountLimit, codeNumberLimit:
		return e.RetryAfter, true
	}
	return 0, false
}
