package server

import (
	"context"
	"net/http"
	"net/url"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/permissions"
)

type doNotCallInput struct {
	Body struct {
		User     string `json:"user" doc:"E.164 number or BSUID" example:"+6591234567"`
		Business string `json:"business,omitempty" doc:"Where the user opted out of one of our numbers: how far that reaches (all numbers, those of its brand, calls of one purpose) says its rule pack. Everything when absent" example:"+6531234567"`
		Reason   string `json:"reason" minLength:"1" maxLength:"500" doc:"Why, for the audit"`
	}
}

// UserParam is the parameter that names a user.
type UserParam struct {
	User string `path:"user" example:"+6591234567" doc:"E.164 (the plus is %2B) or BSUID"`
}

type liftInput struct {
	UserParam
	Business string `query:"business" doc:"Only the entry that came from this number; every entry when absent"`
	Reason   string `query:"reason" required:"true" minLength:"1" maxLength:"500" doc:"Why, for the audit"`
}

type doNotCallOutput struct {
	Location string `header:"Location"`
	Body     permissions.DoNotCallEntry
}

func (s *Server) doNotCallRoutes() {
	register(s, operation{
		method: http.MethodGet, path: "/v1/dnc", id: "listDoNotCall", tag: "Do not call", scope: ScopeRead,
		summary: "The do-not-call list",
	}, s.listDoNotCall)
	register(s, operation{
		method: http.MethodPost, path: "/v1/dnc", id: "addDoNotCall", tag: "Do not call", scope: ScopeWrite,
		status: http.StatusCreated, rerun: true, summary: "Never call this user",
		description: "For all businesses, at once: pending callbacks are cancelled and a live call is ended.",
	}, s.addDoNotCall)
	register(s, operation{
		method: http.MethodGet, path: "/v1/dnc/{user}", id: "getDoNotCall", tag: "Do not call", scope: ScopeRead,
		summary: "The user's entry",
	}, s.getDoNotCall)
	register(s, operation{
		method: http.MethodDelete, path: "/v1/dnc/{user}", id: "liftDoNotCall", tag: "Do not call", scope: ScopeWrite,
		status: http.StatusNoContent, also: http.StatusAccepted, summary: "Lift the user's entry",
		description: "Restores no permission: the user has to grant it anew. Where the rule pack asks for a second person the answer is 202 with the approval, and the entry stands.",
	}, s.liftDoNotCall)
}

func (s *Server) listDoNotCall(ctx context.Context, in *PageParams) (*listOutput[permissions.DoNotCallEntry], error) {
	found, next, err := s.cfg.Ledger.DoNotCallList(ctx, in.page())
	if err != nil {
		return nil, err
	}
	return listed(found, next, func(e permissions.DoNotCallEntry) permissions.DoNotCallEntry { return e }), nil
}

func (s *Server) addDoNotCall(ctx context.Context, in *doNotCallInput) (*doNotCallOutput, error) {
	u, err := parseUser("body.user", in.Body.User)
	if err != nil {
		return nil, err
	}
	c := permissions.Change{
		Kind: permissions.OptedOut, Pair: permissions.Pair{User: u}, Actor: caller(ctx).name, Reason: in.Body.Reason,
	}
	if in.Body.Business != "" {
		if c.Pair.Business, err = parseBusiness("body.business", in.Body.Business); err != nil {
			return nil, err
		}
	}
	if _, err := s.cfg.Ledger.Apply(audit.Ahead(ctx), c); err != nil { // what narrows is never proposed
		return nil, err
	}
	e, err := s.doNotCall(ctx, u)
	if err != nil {
		return nil, err
	}
	return &doNotCallOutput{Location: "/v1/dnc/" + url.QueryEscape(string(u)), Body: e}, nil
}

func (s *Server) getDoNotCall(ctx context.Context, in *UserParam) (*doNotCallOutput, error) {
	u, err := s.knownUser(ctx, "path.user", in.User)
	if err != nil {
		return nil, err
	}
	e, err := s.doNotCall(ctx, u)
	if err != nil {
		return nil, err
	}
	return &doNotCallOutput{Body: e}, nil
}

func (s *Server) doNotCall(ctx context.Context, u permissions.User) (permissions.DoNotCallEntry, error) {
	e, ok, err := s.cfg.Ledger.DoNotCall(ctx, u)
	if err != nil {
		return e, err
	}
	if !ok {
		return e, noSuch("entry")
	}
	e.Since = utc(e.Since)
	return e, nil
}

func (s *Server) liftDoNotCall(ctx context.Context, in *liftInput) (*changeOutput, error) {
	u, err := parseUser("path.user", in.User)
	if err != nil {
		return nil, err
	}
	c := permissions.Change{
		Kind: permissions.OptOutLifted, Pair: permissions.Pair{User: u}, Actor: caller(ctx).name, Reason: in.Reason,
	}
	if in.Business != "" {
		if c.Pair.Business, err = parseBusiness("query.business", in.Business); err != nil {
			return nil, err
		}
	}
	proposed, err := s.cfg.Ledger.Apply(ctx, c)
	switch {
	case err != nil:
		return nil, err
	case proposed != nil:
		return waiting(*proposed), nil
	}
	return &changeOutput{Status: http.StatusNoContent}, nil
}
