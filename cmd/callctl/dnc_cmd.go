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
	return []column{{"user", "user"}, {"since", "since"}, {"source", "source"}, {"scope", "scope"}, {"brand", "brand"}, {"purpose", "purpose"}, {"actor", "actor"}, {"reason", "reason"}}
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
	return f.print(ctx, t, http.MethodGet, "/v1/dnc/"+segment(c.User), nil, dncColumns())
}

type dncAddCmd struct {
	User     string `arg:"" help:"The user: E.164 or BSUID."`
	Business string `help:"The user opted out of this number of ours, as far as its rule pack lets that reach; of everything when left out."`
	Reason   string `help:"Why; it stands in the audit." required:""`
}

// dncEntry is the body of POST /v1/dnc.
type dncEntry struct {
	User     string `json:"user"`
	Business string `json:"business,omitempty"`
	Reason   string `json:"reason"`
}

// Run adds the entry.
func (c dncAddCmd) Run(ctx context.Context, t *terminal, f *daemonFlags) error {
	return f.print(ctx, t, http.MethodPost, "/v1/dnc", dncEntry{User: c.User, Business: c.Business, Reason: c.Reason}, dncColumns())
}

type dncRemoveCmd struct {
	User     string `arg:"" help:"The user: E.164 or BSUID."`
	Business string `help:"Only the entry that came from this number of ours; every entry when left out."`
	Reason   string `help:"Why; it stands in the audit." required:""`
}

// Run lifts the entry.
func (c dncRemoveCmd) Run(ctx context.Context, t *terminal, f *daemonFlags) error {
	query := url.Values{"reason": {c.Reason}}
	if c.Business != "" {
		query.Set("business", c.Business)
	}
	return f.change(ctx, t, http.MethodDelete, "/v1/dnc/"+segment(c.User), query, nil)
}
