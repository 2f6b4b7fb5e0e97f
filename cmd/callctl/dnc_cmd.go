package main

import (
	"context"
	"net/http"
	"net/url"
)

// dncCmd is `callctl dnc`.
type dncCmd struct {
	List   dncListCmd   `cmd:"" help:"List the entries."`
	Show   dncShowCmd   `cmd:"" help:"Show one user's entry."`
	Add    dncAddCmd    `cmd:"" help:"Never call this user again; ends live calls and pending callbacks."`
	Remove dncRemoveCmd `cmd:"" help:"Lift an entry; restores no permission. May need a second person."`
	Import dncImportCmd `cmd:"" help:"Take in a list; with one line that cannot be read, nothing of it."`
}

func dncColumns() []column {
	return []column{{"user", "user"}, {"since", "since"}, {"source", "source"}, {"actor", "actor"}, {"reason", "reason"}}
}

type dncListCmd struct{ listFlags }

// Run lists the entries.
func (c dncListCmd) Run(ctx context.Context, t *terminal, f *daemonFlags) error {
	return f.printAll(ctx, t, "/v1/dnc", url.Values{}, c.Limit, dncColumns())
}

type dncShowCmd struct {
	User string `arg:"" help:"The user: E.164 or BSUID."`
}

// Run shows one entry.
func (c dncShowCmd) Run(ctx context.Context, t *terminal, f *daemonFlags) error {
	return f.print(ctx, t, http.MethodGet, "/v1/dnc/"+segment(c.User), nil, nil, dncColumns())
}

type dncAddCmd struct {
	User   string `arg:"" help:"The user: E.164 or BSUID."`
	Reason string `help:"Why; it stands in the audit." required:""`
}

// dncEntry is the body of POST /v1/dnc.
type dncEntry struct {
	User   string `json:"user"`
	Reason string `json:"reason"`
}

// Run adds the entry.
func (c dncAddCmd) Run(ctx context.Context, t *terminal, f *daemonFlags) error {
	return f.print(ctx, t, http.MethodPost, "/v1/dnc", nil, dncEntry{User: c.User, Reason: c.Reason}, dncColumns())
}

type dncRemoveCmd struct {
	User   string `arg:"" help:"The user: E.164 or BSUID."`
	Reason string `help:"Why; it stands in the audit." required:""`
}

// Run lifts the entry.
func (c dncRemoveCmd) Run(ctx context.Context, t *terminal, f *daemonFlags) error {
	query := url.Values{"reason": {c.Reason}}
	return f.change(ctx, t, http.MethodDelete, "/v1/dnc/"+segment(c.User), query, nil)
}
