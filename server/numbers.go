package server

import (
	"context"
	"errors"
	"net/http"

	"github.com/callctl/callctl/geo"
	"github.com/callctl/callctl/permissions"
)

// Number is one of our numbers: what the provider restricts, what it thinks of
// the number and of its templates, and where its limits differ from the rule
// pack's.
type Number struct {
	permissions.NumberState

	Provider  string          `json:"provider" enum:"meta,8x8"`
	Reconcile *Reconciliation `json:"reconcile,omitempty" doc:"The last run that was asked for since the daemon started"`
}

// BusinessParam is the parameter that names one of our numbers.
type BusinessParam struct {
	Business string `path:"business" example:"+6531234567" doc:"E.164; the plus is %2B"`
}

type noticeListInput struct {
	BusinessParam
	PageParams
}

type numberOutput struct{ Body Number }

func (s *Server) numberRoutes() {
	register(s, operation{
		method: http.MethodGet, path: "/v1/numbers", id: "listNumbers", tag: "Numbers", scope: ScopeRead,
		summary: "Our numbers and what holds for them",
	}, s.listNumbers)
	register(s, operation{
		method: http.MethodGet, path: "/v1/numbers/{business}", id: "getNumber", tag: "Numbers", scope: ScopeRead,
		summary: "One of them",
	}, s.getNumber)
	register(s, operation{
		method: http.MethodGet, path: "/v1/numbers/{business}/notices", id: "listNotices", tag: "Numbers", scope: ScopeRead,
		summary: "What the provider said about the number, its templates and its account, the oldest first",
	}, s.listNotices)
	register(s, operation{
		method: http.MethodPost, path: "/v1/numbers/{business}/reconcile", id: "reconcile", tag: "Numbers", scope: ScopeWrite,
		status: http.StatusAccepted, summary: "Ask the provider about every standing permission of the number",
		description: "After a time in which webhooks were lost. Runs in the background, within the provider's rate; the number shows how far it is. 409 while one runs.",
	}, s.reconcile)
}

func (s *Server) listNumbers(ctx context.Context, _ *struct{}) (*listOutput[Number], error) {
	out := &listOutput[Number]{Body: list[Number]{Items: []Number{}}}
	for _, a := range s.cfg.Accounts {
		n, err := s.number(ctx, a.Business)
		if err != nil {
			return nil, err
		}
		out.Body.Items = append(out.Body.Items, n)
	}
	return out, nil
}

func (s *Server) getNumber(ctx context.Context, in *BusinessParam) (*numberOutput, error) {
	business, err := parseBusiness("path.business", in.Business)
	if err != nil {
		return nil, err
	}
	n, err := s.number(ctx, business)
	if err != nil {
		return nil, err
	}
	return &numberOutput{Body: n}, nil
}

// number is the state of one of our numbers, with empty lists as lists.
func (s *Server) number(ctx context.Context, business geo.E164) (Number, error) {
	account, ok := s.accountOf(business)
	if !ok {
		return Number{}, noSuch("number")
	}
	state, err := s.cfg.Ledger.Number(ctx, account.Business)
	if errors.Is(err, permissions.ErrBusiness) {
		return Number{}, noSuch("number")
	}
	if err != nil {
		return Number{}, err
	}
	state.Restrictions, state.Violations = orEmpty(state.Restrictions), orEmpty(state.Violations)
	state.Templates, state.Drift = orEmpty(state.Templates), orEmpty(state.Drift)
	return Number{NumberState: state, Provider: account.Kind, Reconcile: s.runs.of(account.Business)}, nil
}

// orEmpty is the list, never null in JSON.
func orEmpty[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}

func (s *Server) listNotices(ctx context.Context, in *noticeListInput) (*listOutput[permissions.Notice], error) {
	business, err := parseBusiness("path.business", in.Business)
	if err != nil {
		return nil, err
	}
	if _, ok := s.accountOf(business); !ok {
		return nil, noSuch("number")
	}
	found, next, err := s.cfg.Ledger.Notices(ctx, business, in.page())
	if err != nil {
		return nil, err
	}
	return listed(found, next, func(n permissions.Notice) permissions.Notice { return n }), nil
}
