package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

type permissionsGrantCmd struct {
	pairArgs
	Reason    string    `help:"Why; it stands in the audit." required:""`
	Permanent bool      `help:"Until it is withdrawn." xor:"end"`
	Expires   time.Time `format:"2006-01-02T15:04:05Z07:00" help:"Until then (RFC 3339)." xor:"end"`
	Evidence  string    `help:"Where the user's word can be found, such as a ticket."`
}

// grantRequest is the body of POST …/grants.
type grantRequest struct {
	Reason    string    `json:"reason"`
	Permanent bool      `json:"permanent,omitempty"`
	ExpiresAt time.Time `json:"expiresAt,omitzero"`
	Evidence  string    `json:"evidence,omitempty"`
}

// Run records the grant, or proposes it.
func (c permissionsGrantCmd) Run(ctx context.Context, t *terminal, f *daemonFlags) error {
	if !c.Permanent && c.Expires.IsZero() {
		return usagef("give --expires or --permanent")
	}
	return f.change(ctx, t, http.MethodPost, c.path("/grants"), nil, grantRequest{
		Reason: c.Reason, Permanent: c.Permanent, ExpiresAt: c.Expires, Evidence: c.Evidence,
	})
}

type permissionsRevokeCmd struct {
	pairArgs
	Reason string `help:"Why; it stands in the audit." required:""`
}

// revocationRequest is the body of POST …/revocations.
type revocationRequest struct {
	Reason string `json:"reason"`
}

// Run withdraws the permission.
func (c permissionsRevokeCmd) Run(ctx context.Context, t *terminal, f *daemonFlags) error {
	return f.change(ctx, t, http.MethodPost, c.path("/revocations"), nil, revocationRequest{Reason: c.Reason})
}

type permissionsResumeCmd struct {
	pairArgs
	Reason string `help:"Why; it stands in the audit." required:""`
}

// Run lets messages go to the user again, or proposes it.
func (c permissionsResumeCmd) Run(ctx context.Context, t *terminal, f *daemonFlags) error {
	return f.change(ctx, t, http.MethodPost, c.path("/resumptions"), nil, revocationRequest{Reason: c.Reason})
}

type permissionsZoneCmd struct {
	User   string `arg:"" help:"The user: E.164 or BSUID."`
	Zone   string `arg:"" help:"IANA time zone, such as Europe/Berlin."`
	Reason string `help:"Who said so; it stands in the audit." required:""`
}

// zoneRequest is the body of PUT /v1/subjects/{user}/zone.
type zoneRequest struct {
	Zone   string `json:"zone"`
	Reason string `json:"reason"`
}

// Run sets the zone.
func (c permissionsZoneCmd) Run(ctx context.Context, t *terminal, f *daemonFlags) error {
	path := "/v1/subjects/" + segment(c.User) + "/zone"
	return f.print(ctx, t, http.MethodPut, path, zoneRequest{Zone: c.Zone, Reason: c.Reason}, nil)
}

type permissionsReadBackCmd struct{ pairArgs }

// Run asks the provider and shows the permission after it.
func (c permissionsReadBackCmd) Run(ctx context.Context, t *terminal, f *daemonFlags) error {
	api, err := f.client()
	if err != nil {
		return err
	}
	raw, err := api.call(ctx, http.MethodPost, c.path("/read-backs"), nil, nil)
	if err != nil {
		return err
	}
	return showPermission(t, raw)
}

// changed is what the daemon answers to a change: the state after it, or the
// approval that it waits for, or nothing.
type changed struct {
	Permission json.RawMessage `json:"permission"`
	Approval   json.RawMessage `json:"approval"`
}

// change asks for a change and prints what became of it. That it waits for a
// second person is said beside the result.
func (f *daemonFlags) change(ctx context.Context, t *terminal, method, path string, query map[string][]string, in any) error {
	api, err := f.client()
	if err != nil {
		return err
	}
	raw, err := api.call(ctx, method, path, query, in)
	if err != nil || len(raw) == 0 {
		return err
	}
	var c changed
	if err := json.Unmarshal(raw, &c); err != nil {
		return fmt.Errorf("the answer is no change: %w", err)
	}
	if c.Approval == nil {
		return showPermission(t, c.Permission)
	}
	t.note("nothing has changed yet: a second person has to approve it (callctl approvals approve)")
	return t.object(c.Approval, approvalColumns())
}
