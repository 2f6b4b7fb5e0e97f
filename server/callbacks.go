package server

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/callctl/callctl/geo"
	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/permissions/callback"
)

// Callback is a promise to call a user in a window.
type Callback struct {
	ID        string             `json:"id"`
	Business  geo.E164           `json:"business"`
	User      permissions.User   `json:"user"`
	NotBefore time.Time          `json:"notBefore"`
	NotAfter  time.Time          `json:"notAfter"`
	Purpose   string             `json:"purpose,omitempty"`
	Agent     string             `json:"agent,omitempty"`
	Order     string             `json:"order" enum:"agent_first,user_first"`
	State     callback.State     `json:"state" enum:"pending,dialling,completed,failed,refused,cancelled,unknown"`
	Reason    permissions.Reason `json:"reason,omitempty"`
	CallID    string             `json:"callId,omitempty" doc:"The last attempt"`
	CreatedAt time.Time          `json:"createdAt"`
	UpdatedAt time.Time          `json:"updatedAt"`
	CreatedBy string             `json:"createdBy,omitempty" doc:"Token name"`
}

type callbackInput struct {
	Body struct {
		Business  string    `json:"business" example:"+6531234567"`
		User      string    `json:"user" example:"+6591234567"`
		NotBefore time.Time `json:"notBefore,omitzero" doc:"Now when absent"`
		NotAfter  time.Time `json:"notAfter,omitzero" doc:"One hour after notBefore when absent"`
		Purpose   string    `json:"purpose,omitempty" maxLength:"200"`
		Agent     string    `json:"agent" minLength:"1" maxLength:"256" doc:"Extension or SIP URI on the trunk"`
		Order     string    `json:"order,omitempty" enum:"agent_first,user_first" default:"agent_first"`
	}
}

type callbackOutput struct {
	Location string `header:"Location"`
	Body     Callback
}

type idInput struct {
	ID string `path:"id" maxLength:"128"`
}

func (s *Server) callbackRoutes() {
	register(s, operation{
		method: http.MethodGet, path: "/v1/callbacks", id: "listCallbacks", tag: "Callbacks", scope: ScopeRead,
		summary: "Callbacks, newest first",
	}, s.listCallbacks)
	register(s, operation{
		method: http.MethodPost, path: "/v1/callbacks", id: "createCallback", tag: "Callbacks", scope: ScopeWrite,
		status: http.StatusCreated, summary: "Call this user in this window",
		description: "Refused with 403 when waiting cannot cure the gate's reason; the gate decides again when the callback is dialled.",
	}, s.createCallback)
	register(s, operation{
		method: http.MethodGet, path: "/v1/callbacks/{id}", id: "getCallback", tag: "Callbacks", scope: ScopeRead,
		summary: "One callback",
	}, s.getCallback)
	register(s, operation{
		method: http.MethodDelete, path: "/v1/callbacks/{id}", id: "cancelCallback", tag: "Callbacks", scope: ScopeWrite,
		summary: "Cancel a pending callback", description: "Answers with the callback as it is then. 409 for one that is dialling or has ended: hang up its call instead.",
	}, s.cancelCallback)
}

func (s *Server) listCallbacks(ctx context.Context, in *PageParams) (*listOutput[Callback], error) {
	if s.cfg.Callbacks == nil {
		return listed([]callback.Callback{}, "", showCallback), nil
	}
	found, next, err := s.cfg.Callbacks.List(ctx, in.page())
	if err != nil {
		return nil, err
	}
	return listed(found, next, showCallback), nil
}

func (s *Server) createCallback(ctx context.Context, in *callbackInput) (*callbackOutput, error) {
	if s.cfg.Callbacks == nil {
		return nil, noCalling()
	}
	b := in.Body
	pair, err := parsePair("body", b.Business, b.User)
	if err != nil {
		return nil, err
	}
	if !b.NotAfter.IsZero() && !b.NotAfter.After(b.NotBefore) {
		return nil, badField("body.notAfter", "not after notBefore")
	}
	c, err := s.cfg.Callbacks.Add(ctx, callback.Callback{
		Business: pair.Business, User: pair.User, NotBefore: b.NotBefore, NotAfter: b.NotAfter,
		Purpose: b.Purpose, Agent: b.Agent, Order: b.Order, Actor: caller(ctx).name,
	})
	if err != nil {
		return nil, err
	}
	return &callbackOutput{Location: "/v1/callbacks/" + url.PathEscape(c.ID), Body: showCallback(c)}, nil
}

func (s *Server) getCallback(ctx context.Context, in *idInput) (*callbackOutput, error) {
	if s.cfg.Callbacks == nil {
		return nil, noSuch("callback")
	}
	c, err := s.cfg.Callbacks.Get(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &callbackOutput{Body: showCallback(c)}, nil
}

func (s *Server) cancelCallback(ctx context.Context, in *idInput) (*callbackOutput, error) {
	if s.cfg.Callbacks == nil {
		return nil, noSuch("callback")
	}
	c, err := s.cfg.Callbacks.Cancel(ctx, in.ID, caller(ctx).name)
	if err != nil {
		return nil, err
	}
	return &callbackOutput{Body: showCallback(c)}, nil
}

func showCallback(c callback.Callback) Callback {
	return Callback{
		ID: c.ID, Business: c.Business, User: c.User, NotBefore: c.NotBefore.UTC(), NotAfter: c.NotAfter.UTC(),
		Purpose: c.Purpose, Agent: c.Agent, Order: orElse(c.Order, "agent_first"), State: c.State, Reason: c.Reason,
		CallID: c.CallID, CreatedAt: c.CreatedAt.UTC(), UpdatedAt: c.UpdatedAt.UTC(), CreatedBy: c.Actor,
	}
}

func noSuch(what string) *Problem {
	return problem(http.StatusNotFound, reasonNotFound, "There is no such "+what+".")
}

// noCalling answers for a daemon without a bridge.
func noCalling() *Problem {
	return problem(http.StatusNotFound, reasonNotFound, "This daemon places no calls.")
}
