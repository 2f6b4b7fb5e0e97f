package main

import (
	"context"
	"net/http"
	"net/url"
)

// approvalsCmd is `callctl approvals`.
type approvalsCmd struct {
	List    approvalsListCmd    `cmd:"" help:"List the changes that wait for a second person."`
	Show    approvalsShowCmd    `cmd:"" help:"Show one of them."`
	Approve approvalsApproveCmd `cmd:"" help:"Let a change take effect, by another token than the one that proposed it."`
	Reject  approvalsRejectCmd  `cmd:"" help:"End a proposal; who proposed it may withdraw it so."`
}

func approvalColumns() []column {
	return []column{
		{"id", "id"},
		{"state", "state"},
		{"kind", "kind"},
		{"business", "business"},
		{"user", "user"},
		{"permanent", "permanent"},
		{"expires at", "expiresAt"},
		{"reason", "reason"},
		{"evidence", "evidence"},
		{"proposed by", "proposedBy"},
		{"proposed at", "proposedAt"},
		{"lapses at", "lapsesAt"},
		{"decided by", "decidedBy"},
		{"decided at", "decidedAt"},
	}
}

type approvalsListCmd struct {
	listFlags
	All bool `help:"Also those that are decided."`
}

// Run lists them.
func (c approvalsListCmd) Run(ctx context.Context, t *terminal, f *daemonFlags) error {
	query := url.Values{}
	if c.All {
		query.Set("all", "true")
	}
	return f.printAll(ctx, t, "/v1/approvals", query, c.Limit, approvalColumns())
}

type approvalArg struct {
	ID string `arg:"" help:"Id of the approval."`
}

func (a approvalArg) path(more string) string { return "/v1/approvals/" + segment(a.ID) + more }

type approvalsShowCmd struct{ approvalArg }

// Run shows one.
func (c approvalsShowCmd) Run(ctx context.Context, t *terminal, f *daemonFlags) error {
	return f.print(ctx, t, http.MethodGet, c.path(""), nil, approvalColumns())
}

type approvalsApproveCmd struct{ approvalArg }

// Run approves.
func (c approvalsApproveCmd) Run(ctx context.Context, t *terminal, f *daemonFlags) error {
	return f.print(ctx, t, http.MethodPost, c.path("/approve"), nil, approvalColumns())
}

type approvalsRejectCmd struct {
	approvalArg
	Reason string `help:"Why; it stands in the audit." required:""`
}

// rejectRequest is the body of POST …/reject.
type rejectRequest struct {
	Reason string `json:"reason"`
}

// Run rejects.
func (c approvalsRejectCmd) Run(ctx context.Context, t *terminal, f *daemonFlags) error {
	return f.print(ctx, t, http.MethodPost, c.path("/reject"), rejectRequest{Reason: c.Reason}, approvalColumns())
}
