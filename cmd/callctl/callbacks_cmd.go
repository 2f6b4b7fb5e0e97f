package main

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// callbacksCmd is `callctl callbacks`.
type callbacksCmd struct {
	List   callbacksListCmd   `cmd:"" help:"List callbacks, newest first."`
	Show   callbacksShowCmd   `cmd:"" help:"Show one callback."`
	Add    callbacksAddCmd    `cmd:"" help:"Promise a call; it is dialled when it is due and permitted then."`
	Cancel callbacksCancelCmd `cmd:"" help:"Cancel a pending callback."`
}

func callbackColumns() []column {
	return []column{
		{"id", "id"},
		{"state", "state"},
		{"reason", "reason"},
		{"business", "business"},
		{"user", "user"},
		{"agent", "agent"},
		{"not before", "notBefore"},
		{"not after", "notAfter"},
		{"call", "callId"},
	}
}

type callbacksListCmd struct{ listFlags }

// Run lists callbacks.
func (c callbacksListCmd) Run(ctx context.Context, t *terminal, f *daemonFlags) error {
	return f.printAll(ctx, t, "/v1/callbacks", url.Values{}, c.Limit, callbackColumns())
}

type callbacksShowCmd struct {
	ID string `arg:"" help:"Id of the callback."`
}

// Run shows one callback.
func (c callbacksShowCmd) Run(ctx context.Context, t *terminal, f *daemonFlags) error {
	return f.print(ctx, t, http.MethodGet, "/v1/callbacks/"+segment(c.ID), nil, callbackColumns())
}

type callbacksAddCmd struct {
	pairArgs
	Agent     string    `help:"Extension or SIP URI that the user is joined to." required:""`
	Purpose   string    `help:"What the call is for."`
	Order     string    `default:"agent_first" enum:"agent_first,user_first" help:"Who is called first: ${enum}."`
	NotBefore time.Time `format:"2006-01-02T15:04:05Z07:00" help:"Earliest time (RFC 3339); now when left out."`
	NotAfter  time.Time `format:"2006-01-02T15:04:05Z07:00" help:"Latest time; an hour after the earliest when left out."`
}

// callbackRequest is the body of POST /v1/callbacks.
type callbackRequest struct {
	Business  string    `json:"business"`
	User      string    `json:"user"`
	Agent     string    `json:"agent"`
	Purpose   string    `json:"purpose,omitempty"`
	Order     string    `json:"order,omitempty"`
	NotBefore time.Time `json:"notBefore,omitzero"`
	NotAfter  time.Time `json:"notAfter,omitzero"`
}

// Run adds the callback.
func (c callbacksAddCmd) Run(ctx context.Context, t *terminal, f *daemonFlags) error {
	return f.print(ctx, t, http.MethodPost, "/v1/callbacks", callbackRequest{
		Business: c.Business, User: c.User, Agent: c.Agent, Purpose: c.Purpose, Order: c.Order,
		NotBefore: c.NotBefore, NotAfter: c.NotAfter,
	}, callbackColumns())
}

type callbacksCancelCmd struct {
	ID string `arg:"" help:"Id of the callback."`
}

// Run cancels the callback.
func (c callbacksCancelCmd) Run(ctx context.Context, t *terminal, f *daemonFlags) error {
	return f.print(ctx, t, http.MethodDelete, "/v1/callbacks/"+segment(c.ID), nil, callbackColumns())
}
