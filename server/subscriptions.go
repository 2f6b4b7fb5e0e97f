package server

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/callctl/callctl/server/notify"
)

// Subscriptions is what the server asks of the sender of outgoing webhooks;
// *notify.Notifier is one.
type Subscriptions interface {
	Create(ctx context.Context, d notify.Draft) (notify.Subscription, error)
	List(ctx context.Context) ([]notify.Subscription, error)
	Delete(ctx context.Context, id, actor string) error
}

var _ Subscriptions = (*notify.Notifier)(nil)

// Subscription is a receiver of outgoing webhooks.
type Subscription struct {
	ID           string       `json:"id"`
	URL          string       `json:"url"`
	Kinds        []string     `json:"kinds" nullable:"false" doc:"Audit kinds, or prefixes that end in a dot; empty means all"`
	State        notify.State `json:"state" enum:"active,failing,disabled" doc:"disabled is final: it answered 410, or took nothing for 72 hours"`
	CreatedAt    time.Time    `json:"createdAt"`
	CreatedBy    string       `json:"createdBy,omitempty" doc:"Token name"`
	Delivered    int64        `json:"delivered" doc:"Everything that it wants up to this audit index was taken"`
	FailingSince time.Time    `json:"failingSince,omitzero" doc:"When the next event was first not taken"`
	Problem      string       `json:"problem,omitempty" doc:"Why it was last not taken"`
	Secret       string       `json:"secret,omitempty" doc:"Signs the deliveries; only in the answer that created the subscription"`
}

type subscribeInput struct {
	Body struct {
		URL   string   `json:"url" maxLength:"2048" doc:"https, port 443, a public address, unless the installation allows private ones" example:"https://crm.example.com/callctl"`
		Kinds []string `json:"kinds,omitempty" maxItems:"50" doc:"Audit kinds, or prefixes that end in a dot; all when absent" example:"[\"permission.\",\"call.ended\"]"`
		After *int64   `json:"after,omitempty" minimum:"-1" doc:"Begin after this audit index, -1 for the whole log; with what happens next when absent"`
	}
}

type subscriptionOutput struct{ Body Subscription }

const subscribeDescription = "Each event of the audit log is posted in order, at least once, as a CloudEvents 1.0 event in JSON " +
	"(application/cloudevents+json) whose id is the audit index, signed as Standard Webhooks says " +
	"(webhook-id, webhook-timestamp, webhook-signature). Any 2xx takes it; 410 disables the subscription; " +
	"anything else is tried again, for 72 hours. The events' data holds phone numbers and message texts."

func (s *Server) subscriptionRoutes() {
	register(s, operation{
		method: http.MethodGet, path: "/v1/webhooks", id: "listSubscriptions", tag: "Outgoing webhooks", scope: ScopeAdmin,
		summary: "The subscriptions",
	}, s.listSubscriptions)
	register(s, operation{
		method: http.MethodPost, path: "/v1/webhooks", id: "createSubscription", tag: "Outgoing webhooks", scope: ScopeAdmin,
		status: http.StatusCreated, summary: "Send events to an address", description: subscribeDescription,
	}, s.createSubscription)
	register(s, operation{
		method: http.MethodDelete, path: "/v1/webhooks/{id}", id: "deleteSubscription", tag: "Outgoing webhooks", scope: ScopeAdmin,
		status: http.StatusNoContent, summary: "Send no more", description: "A delivery that is under way may still arrive.",
	}, s.deleteSubscription)
}

func (s *Server) listSubscriptions(ctx context.Context, _ *struct{}) (*listOutput[Subscription], error) {
	if s.cfg.Subscriptions == nil {
		return listed[notify.Subscription](nil, "", showSubscription), nil
	}
	found, err := s.cfg.Subscriptions.List(ctx)
	if err != nil {
		return nil, err
	}
	return listed(found, "", showSubscription), nil
}

func (s *Server) createSubscription(ctx context.Context, in *subscribeInput) (*subscriptionOutput, error) {
	if s.cfg.Subscriptions == nil {
		return nil, problem(http.StatusNotImplemented, reasonUnavailable, "This daemon sends no webhooks.")
	}
	made, err := s.cfg.Subscriptions.Create(ctx, notify.Draft{
		URL: in.Body.URL, Kinds: in.Body.Kinds, After: in.Body.After, Actor: caller(ctx).name,
	})
	if err != nil {
		return nil, subscriptionProblem(err)
	}
	return &subscriptionOutput{Body: showSubscription(made)}, nil
}

func (s *Server) deleteSubscription(ctx context.Context, in *idInput) (*struct{}, error) {
	if s.cfg.Subscriptions == nil {
		return nil, noSuch("subscription")
	}
	return nil, subscriptionProblem(s.cfg.Subscriptions.Delete(ctx, in.ID, caller(ctx).name))
}

// subscriptionProblem turns what the request is at fault for into problems.
func subscriptionProblem(err error) error {
	switch {
	case errors.Is(err, notify.ErrNotFound):
		return noSuch("subscription")
	case errors.Is(err, notify.ErrURL):
		return badField("body.url", "not an https address at port 443 that leads to a public host, without password and fragment")
	case errors.Is(err, notify.ErrKinds):
		return badField("body.kinds", "neither audit kinds such as call.ended nor prefixes such as call.")
	case errors.Is(err, notify.ErrAfter):
		return badField("body.after", "not an index of the audit log")
	case errors.Is(err, notify.ErrTooMany):
		return problem(http.StatusConflict, reasonConflict, "There are too many subscriptions; delete one first.")
	}
	return err
}

func showSubscription(n notify.Subscription) Subscription {
	out := Subscription{
		ID: n.ID, URL: n.URL, Kinds: n.Kinds, State: n.State, CreatedAt: utc(n.Created), CreatedBy: n.Actor,
		Delivered: n.Delivered, FailingSince: utc(n.FailingSince), Problem: n.Problem, Secret: string(n.Secret),
	}
	if out.Kinds == nil {
		out.Kinds = []string{}
	}
	return out
}
