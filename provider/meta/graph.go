package meta

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/provider"
	"github.com/callctl/callctl/sipbridge"
)

// product is what every Graph request of the Cloud API begins with.
const product = "whatsapp"

// maxOpaque is the longest biz_opaque_callback_data, in bytes.
const maxOpaque = 512

// retryPolicy bounds the repetition of requests that may be repeated.
type retryPolicy struct {
	tries   uint
	first   time.Duration // first pause
	longest time.Duration // a provider that asks for a longer one is not asked again
}

// graphError is the error object of a Graph answer (protocol: Meta, error codes).
type graphError struct {
	Error struct {
		Message provider.Scalar `json:"message"`
		Code    provider.Scalar `json:"code"`
		Data    json.RawMessage `json:"error_data"`
	} `json:"error"`
}

// post sends body to an edge of the phone number and reads the answer into out.
// A refusal is a *provider.APIError; any other error leaves open whether the
// request took effect.
func (a *Account) post(ctx context.Context, edge string, body, out any) error {
	answer, err := a.api.Post(ctx, a.path+"/"+edge, body)
	if err != nil {
		return fmt.Errorf("meta: %s: %w", edge, err)
	}
	return a.read(answer, edge, out)
}

func (a *Account) read(answer provider.Answer, edge string, out any) error {
	if !answer.OK() {
		return a.refusal(answer)
	}
	if !json.Valid(answer.Body) || provider.Unmarshal(answer.Body, out) != nil {
		return fmt.Errorf("meta: %s: %w", edge, provider.ErrAnswer)
	}
	return nil
}

// refusal reads the error object; its details say more than its message.
func (a *Account) refusal(answer provider.Answer) *provider.APIError {
	refused := &provider.APIError{
		Provider: name, Status: answer.Status, RetryAfter: answer.RetryAfter(a.cfg.Now()),
		Message: "the answer does not say why",
	}
	var g graphError
	if provider.Unmarshal(answer.Body, &g) != nil {
		return refused
	}
	if code, err := g.Error.Code.Int(); err == nil {
		refused.Code = int(code)
	}
	data, _ := provider.ReadMembers(g.Error.Data)
	message := string(g.Error.Message)
	if details := data.Scalar("details"); details != "" {
		message = strings.TrimPrefix(message+": "+string(details), ": ")
	}
	refused.Until = provider.AllowedAgain(data)
	if message = provider.Redact(message); message != "" {
		refused.Message = message
	}
	return refused
}

// carrierError turns a refusal into the bridge's; other errors stay. The
// *provider.APIError stays inside, for provider.Classify.
func carrierError(err error) error {
	refused, ok := errors.AsType[*provider.APIError](err)
	if !ok {
		return err
	}
	return &refusedCallError{
		carrier: &sipbridge.CarrierError{Code: refused.Code, Status: refused.Status, Message: refused.Message},
		api:     refused,
	}
}

// refusedCallError is a refusal in the bridge's words and in the provider's.
type refusedCallError struct {
	carrier *sipbridge.CarrierError
	api     *provider.APIError
}

func (e *refusedCallError) Error() string   { return e.carrier.Error() }
func (e *refusedCallError) Unwrap() []error { return []error{e.carrier, e.api} }

// repeat does op until it succeeds, is refused for good, or the policy is used
// up. It is only for requests that may arrive twice.
func (a *Account) repeat(ctx context.Context, op func() error) error {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = a.retry.first, a.retry.longest
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		return struct{}{}, a.again(op())
	}, backoff.WithBackOff(pause), backoff.WithMaxTries(a.retry.tries))
	if wait, ok := errors.AsType[*pausedError](err); ok {
		return wait.refused
	}
	return err
}

// again marks err for backoff.Retry: 429 and 5xx may be tried again when the
// provider asks for no longer pause than the policy's, and so may an answer that
// was lost.
func (a *Account) again(err error) error {
	if errors.Is(err, provider.ErrRequest) {
		return backoff.Permanent(err)
	}
	refused, ok := errors.AsType[*provider.APIError](err)
	if !ok {
		return err
	}
	if refused.Status != 429 && refused.Status < 500 || refused.RetryAfter > a.retry.longest {
		return backoff.Permanent(err)
	}
	if refused.RetryAfter > 0 {
		return &pausedError{refused: err, pause: &backoff.RetryAfterError{Duration: refused.RetryAfter}}
	}
	return err
}

// pausedError is a refusal together with the pause that the provider asks for.
type pausedError struct {
	refused error
	pause   *backoff.RetryAfterError
}

func (e *pausedError) Error() string   { return e.refused.Error() }
func (e *pausedError) Unwrap() []error { return []error{e.refused, e.pause} }

// addressee is whom a request is for: to is a phone number without plus, and
// recipient a BSUID (protocol: Meta, business-scoped user IDs).
type addressee struct {
	To        string `json:"to,omitempty"`
	Recipient string `json:"recipient,omitempty"`
}

func address(to string) (addressee, error) {
	user, ok := provider.ParseUser(to)
	if !ok {
		return addressee{}, fmt.Errorf("meta: %w: the user is no phone number and no BSUID", provider.ErrRequest)
	}
	return addresseeOf(user), nil
}

func addresseeOf(user permissions.User) addressee {
	if number, phone := user.Number(); phone {
		return addressee{To: number.Digits()}
	}
	return addressee{Recipient: string(user)}
}
