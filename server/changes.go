package server

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/geo"
	"github.com/callctl/callctl/permissions"
)

// Changed is what became of a change to a permission that a person or program
// asked for.
type Changed struct {
	Permission *Permission           `json:"permission,omitempty" doc:"The state after the change"`
	Approval   *permissions.Approval `json:"approval,omitempty" doc:"With 202: nothing has changed yet, a second person has to approve"`
}

type changeOutput struct {
	Status   int
	Location string `header:"Location"`
	Body     Changed
}

type grantInput struct {
	PairParams
	Body struct {
		Reason    string    `json:"reason" minLength:"1" maxLength:"500" doc:"Why, for the audit"`
		Permanent bool      `json:"permanent,omitempty"`
		ExpiresAt time.Time `json:"expiresAt,omitzero" doc:"Needed unless permanent; the rule pack may end the permission earlier"`
		Evidence  string    `json:"evidence,omitempty" maxLength:"2000" doc:"Where the user's word can be found, such as a ticket or a signed form"`
	}
}

type revocationInput struct {
	PairParams
	Body struct {
		Reason string `json:"reason" minLength:"1" maxLength:"500" doc:"Why, for the audit"`
	}
}

type zoneInput struct {
	UserParam
	Body struct {
		Zone   string `json:"zone" minLength:"1" maxLength:"64" example:"America/New_York" doc:"IANA time zone; quiet hours are read in it alone from now on"`
		Reason string `json:"reason" minLength:"1" maxLength:"500" doc:"Who said so, for the audit"`
	}
}

func (s *Server) changeRoutes() {
	register(s, operation{
		method: http.MethodPost, path: "/v1/permissions/{business}/{user}/grants", id: "grantPermission", tag: "Permissions", scope: ScopeWrite,
		status: http.StatusCreated, also: http.StatusAccepted, summary: "Record a permission that the user gave elsewhere",
		description: "Where the rule pack asks for a second person the answer is 202 with the approval, and nothing has changed yet. " +
			"A rule pack may take no such grants (403), and the provider is asked before the first call that relies on one.",
	}, s.grantPermission)
	register(s, operation{
		method: http.MethodPost, path: "/v1/permissions/{business}/{user}/revocations", id: "revokePermission", tag: "Permissions", scope: ScopeWrite,
		status: http.StatusCreated, rerun: true, summary: "Withdraw a permission",
		description: "At once: pending callbacks end, and so does a call that the user has not answered. The user can grant it anew; to call never again use the do-not-call list.",
	}, s.revokePermission)
	register(s, operation{
		method: http.MethodPost, path: "/v1/permissions/{business}/{user}/resumptions", id: "resumeMessages", tag: "Permissions", scope: ScopeWrite,
		status: http.StatusCreated, also: http.StatusAccepted, summary: "Let permission requests go to a user who had stopped messages",
		description: "For a user who asked for messages again elsewhere; calls are not concerned. 404 when no stop stands, 403 for a preference that only the user can change.",
	}, s.resumeMessages)
	register(s, operation{
		method: http.MethodPut, path: "/v1/subjects/{user}/zone", id: "locateUser", tag: "Permissions", scope: ScopeWrite,
		status: http.StatusNoContent, summary: "Say in which time zone the user is",
		description: "Without it quiet hours hold in every zone in which the number may be.",
	}, s.locateUser)
}

func (s *Server) grantPermission(ctx context.Context, in *grantInput) (*changeOutput, error) {
	pair, err := parsePair("path", in.Business, in.User)
	if err != nil {
		return nil, err
	}
	switch {
	case in.Body.Permanent && !in.Body.ExpiresAt.IsZero():
		return nil, badField("body.expiresAt", "a permanent permission has no end")
	case !in.Body.Permanent && in.Body.ExpiresAt.IsZero():
		return nil, badField("body.expiresAt", "is needed unless the permission is permanent")
	}
	return s.apply(ctx, permissions.Change{
		Kind: permissions.Granted, Pair: pair, Actor: caller(ctx).name, Reason: in.Body.Reason,
		Permanent: in.Body.Permanent, Expires: in.Body.ExpiresAt.UTC(), Evidence: in.Body.Evidence,
	})
}

func (s *Server) revokePermission(ctx context.Context, in *revocationInput) (*changeOutput, error) {
	pair, err := parsePair("path", in.Business, in.User)
	if err != nil {
		return nil, err
	}
	return s.apply(audit.Ahead(ctx), permissions.Change{
		Kind: permissions.Revoked, Pair: pair, Actor: caller(ctx).name, Reason: in.Body.Reason,
	})
}

func (s *Server) resumeMessages(ctx context.Context, in *revocationInput) (*changeOutput, error) {
	pair, err := parsePair("path", in.Business, in.User)
	if err != nil {
		return nil, err
	}
	return s.apply(ctx, permissions.Change{
		Kind: permissions.MessagesResumed, Pair: pair, Actor: caller(ctx).name, Reason: in.Body.Reason,
	})
}

func (s *Server) locateUser(ctx context.Context, in *zoneInput) (*struct{}, error) {
	u, err := parseUser("path.user", in.User)
	if err != nil {
		return nil, err
	}
	if _, err := geo.Zone(in.Body.Zone); err != nil {
		return nil, badField("body.zone", "not a time zone of the IANA database, such as Asia/Singapore")
	}
	_, err = s.cfg.Ledger.Apply(ctx, permissions.Change{
		Kind: permissions.Located, Pair: permissions.Pair{User: u}, Actor: caller(ctx).name,
		Reason: in.Body.Reason, Zone: in.Body.Zone,
	})
	return nil, err
}

// apply makes a change to a pair, or proposes it: 201 with the state after it, or
// 202 with the approval that it waits for.
func (s *Server) apply(ctx context.Context, c permissions.Change) (*changeOutput, error) {
	proposed, err := s.cfg.Ledger.Apply(ctx, c)
	if err != nil {
		return nil, err
	}
	if proposed != nil {
		return waiting(*proposed), nil
	}
	p, err := s.permission(ctx, c.Pair)
	if err != nil {
		return nil, err
	}
	return &changeOutput{Status: http.StatusCreated, Body: Changed{Permission: &p}}, nil
}

// waiting answers that a change waits for a second person.
func waiting(a permissions.Approval) *changeOutput {
	a = showApproval(a)
	return &changeOutput{
		Status: http.StatusAccepted, Location: "/v1/approvals/" + url.PathEscape(a.ID), Body: Changed{Approval: &a},
	}
}
