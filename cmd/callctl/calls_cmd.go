package main

import (
	"context"
	"net/http"
	"net/url"
)

// callsCmd is `callctl calls`.
type callsCmd struct {
	List   callsListCmd   `cmd:"" help:"List live calls, then past ones, newest first."`
	Show   callsShowCmd   `cmd:"" help:"Show one call: its state, or its record once it has ended."`
	Place  callsPlaceCmd  `cmd:"" help:"Call a user now, if that is permitted."`
	Hangup callsHangupCmd `cmd:"" help:"End a live call."`
}

func callColumns() []column {
	return []column{
		{"id", "id"},
		{"state", "state"},
		{"direction", "direction"},
		{"user", "user"},
		{"agent", "agent"},
		{"started", "startedAt"},
		{"answered", "answeredAt"},
		{"ended", "endedAt"},
		{"disposition", "disposition"},
		{"ended by", "endedBy"},
		{"cause", "cause"},
	}
}

// callDetails are the columns of one call: the counts of both legs as well.
func callDetails() []column {
	columns := callColumns()
	for _, leg := range []struct{ title, key string }{{"WhatsApp", "whatsapp."}, {"PBX", "pbx."}} {
		columns = append(columns,
			column{leg.title + " codec", leg.key + "codec"},
			column{leg.title + " packets in", leg.key + "packetsIn"},
			column{leg.title + " packets out", leg.key + "packetsOut"},
			column{leg.title + " lost", leg.key + "lost"})
	}
	return append(columns, column{"decision", "decisionIndex"}, column{"audit", "auditIndex"})
}

type callsListCmd struct{ listFlags }

// Run lists calls.
func (c callsListCmd) Run(ctx context.Context, t *terminal, f *daemonFlags) error {
	return f.printAll(ctx, t, "/v1/calls", url.Values{}, c.Limit, callColumns())
}

type callsShowCmd struct {
	ID string `arg:"" help:"Id of the call."`
}

// Run shows one call with the counts of both legs.
func (c callsShowCmd) Run(ctx context.Context, t *terminal, f *daemonFlags) error {
	return f.print(ctx, t, http.MethodGet, "/v1/calls/"+segment(c.ID), nil, callDetails())
}

type callsPlaceCmd struct {
	pairArgs
	Agent   string `help:"Extension or SIP URI that the user is joined to." required:""`
	Purpose string `help:"What the call is for."`
	Order   string `default:"agent_first" enum:"agent_first,user_first" help:"Who is called first: ${enum}."`
}

// callRequest is the body of POST /v1/calls.
type callRequest struct {
	Business string `json:"business"`
	User     string `json:"user"`
	Agent    string `json:"agent"`
	Purpose  string `json:"purpose,omitempty"`
	Order    string `json:"order,omitempty"`
}

// Run places the call; it returns once the attempt is durable, not when the
// call has ended.
func (c callsPlaceCmd) Run(ctx context.Context, t *terminal, f *daemonFlags) error {
	return f.print(ctx, t, http.MethodPost, "/v1/calls", callRequest{
		Business: c.Business, User: c.User, Agent: c.Agent, Purpose: c.Purpose, Order: c.Order,
	}, callColumns())
}

type callsHangupCmd struct {
	ID string `arg:"" help:"Id of the call."`
}

// Run ends the call.
func (c callsHangupCmd) Run(ctx context.Context, t *terminal, f *daemonFlags) error {
	return f.print(ctx, t, http.MethodDelete, "/v1/calls/"+segment(c.ID), nil, callColumns())
}
