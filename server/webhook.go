package server

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/callctl/callctl/provider"
	"github.com/callctl/callctl/sipbridge"
)

// commitTimeout bounds the work on one delivery after it was read. It is shorter
// than the 20 s after which Meta counts a delivery as failed.
const commitTimeout = 15 * time.Second

// What became of a delivery, as counted.
const (
	resultStored          = "stored"
	resultRepeated        = "repeated"
	resultUnknown         = "unknown"
	resultMalformed       = "malformed"
	resultQuarantined     = "quarantined"
	resultUnauthenticated = "unauthenticated"
	resultOtherAccount    = "wrong_account"
	resultTooLarge        = "too_large"
	resultEncoding        = "encoding"
	resultUnavailable     = "unavailable"
	resultUnread          = "unread"
)

// webhook answers deliveries of one kind of provider. The order is the promise:
// nothing is parsed before it is authenticated, nothing is answered 2xx before it
// is durable.
func (s *Server) webhook(kind string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		a, ok := s.accounts[kind+"/"+r.PathValue("account")]
		if !ok {
			writeProblem(w, problem(http.StatusNotFound, reasonNotFound, "There is no such webhook."))
			return
		}
		result, p := s.receive(w, r, a)
		s.metrics.deliveries.WithLabelValues(kind, result).Inc()
		if p != nil {
			writeProblem(w, p)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"received":true}`)
	}
}

// receive reads, authenticates and stores one delivery; a nil problem means 200.
func (s *Server) receive(w http.ResponseWriter, r *http.Request, a Account) (string, *Problem) {
	if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return resultEncoding, problem(http.StatusUnsupportedMediaType, reasonMediaType, "Send the body without Content-Encoding.")
	}
	leave, ok := s.inbound.admit(w, r)
	if !ok {
		return resultUnavailable, problem(http.StatusServiceUnavailable, reasonUnavailable, "Too many deliveries at once.")
	}
	defer leave()
	raw, err := readRaw(w, r, maxWebhook)
	if errors.Is(err, errTooLarge) {
		return resultTooLarge, problem(http.StatusRequestEntityTooLarge, reasonTooLarge, "The body is larger than 3 MiB.")
	}
	if err != nil {
		return resultUnread, problem(http.StatusBadRequest, reasonInvalid, "The body could not be read.")
	}
	auth, err := a.Provider.Authenticate(r.Header, raw)
	if err != nil {
		return resultUnauthenticated, problem(http.StatusUnauthorized, reasonUnauthenticated, "The delivery is not authenticated.")
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), commitTimeout)
	defer cancel()
	d := newDelivery(a.Name, auth, raw)
	said, err := decode(a, &d)
	switch {
	case errors.Is(err, provider.ErrWrongAccount):
		return resultOtherAccount, problem(http.StatusForbidden, reasonOtherAccount, "The delivery belongs to another account.")
	case err != nil:
		return s.malformed(ctx, &d, err)
	}
	return s.ingest(ctx, &d, said)
}

// decode checks the body's form and lets the provider read it.
func decode(a Account, d *delivery) (provider.Delivery, error) {
	if err := checkJSON(d.raw); err != nil {
		return provider.Delivery{}, err
	}
	return a.Provider.Decode(d.raw, d.auth)
}

// malformed keeps a body that cannot be read, for a person to see.
func (s *Server) malformed(ctx context.Context, d *delivery, why error) (string, *Problem) {
	d.state, d.problem = stateMalformed, mask(why.Error())
	if _, err := s.commit(ctx, d, nil, nil); err != nil {
		return s.unavailable(ctx, err)
	}
	return resultMalformed, problem(http.StatusBadRequest, reasonMalformed, "The body is not JSON that can be read; it was kept.")
}

// ingest stores what a delivery said and, once that is durable, hands its call
// events to the bridge, again for each repetition.
func (s *Server) ingest(ctx context.Context, d *delivery, said provider.Delivery) (string, *Problem) {
	d.judge(said.Unknown)
	fresh, err := s.take(ctx, d, said.Facts, said.Notices)
	if err != nil {
		return s.unavailable(ctx, err)
	}
	// Also of a repeat: the process may have died between the commit and the 2xx,
	// and then the bridge has not heard of the call. It takes events any number of
	// times.
	s.deliver(ctx, said.Calls)
	if !fresh {
		return resultRepeated, nil
	}
	switch d.state {
	case stateQuarantined:
		return resultQuarantined, nil
	case stateUnknown:
		return resultUnknown, nil
	case stateStored, stateMalformed:
	}
	return resultStored, nil
}

func (s *Server) deliver(ctx context.Context, events []sipbridge.Event) {
	if s.cfg.Bridge == nil {
		return
	}
	for _, e := range events {
		s.cfg.Bridge.Deliver(context.WithoutCancel(ctx), e)
	}
}

func (s *Server) unavailable(ctx context.Context, err error) (string, *Problem) {
	s.cfg.Logger.ErrorContext(ctx, "webhook not stored", "error", mask(err.Error()))
	return resultUnavailable, problem(http.StatusServiceUnavailable, reasonUnavailable, "The delivery could not be stored; send it again.")
}

// bounded keeps the names of unknown parts few, short and without numbers: they
// come from outside.
func bounded(names []string) []string {
	const most, longest = 100, 80
	var out []string
	for _, n := range names[:min(len(names), most)] {
		if n = mask(n); len(n) > longest {
			n = n[:longest]
		}
		out = append(out, n)
	}
	return out
}

// challenge answers the handshake by which Meta verifies a webhook: the body is
// hub.challenge, as plain text, when the verify token matches (protocol: Meta
// "Webhooks: verification requests").
func (s *Server) challenge(w http.ResponseWriter, r *http.Request) {
	a, ok := s.accounts["meta/"+r.PathValue("account")]
	if !ok {
		writeProblem(w, problem(http.StatusNotFound, reasonNotFound, "There is no such webhook."))
		return
	}
	c, ok := a.Provider.(provider.Challenger)
	if !ok {
		writeProblem(w, problem(http.StatusForbidden, reasonUnauthenticated, "This webhook is not verified by a handshake."))
		return
	}
	body, ok := c.Challenge(r.URL.Query())
	if !ok {
		writeProblem(w, problem(http.StatusForbidden, reasonUnauthenticated, "The verify token does not match."))
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = io.WriteString(w, body) //nolint:gosec // plain text, nosniff, and only for who knows the verify token
}
