package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/permissions/readback"
	"github.com/callctl/callctl/provider"
)

// What became of a question about a permission, as counted.
const (
	askedAnswered = "answered"
	askedLimited  = "limited" // the provider takes no more questions for now
	askedRefused  = "refused" // the provider said no
	askedFailed   = "failed"  // no answer, or none that can be read
)

func (s *Server) readBackRoutes() {
	register(s, operation{
		method: http.MethodPost, path: "/v1/permissions/{business}/{user}/read-backs", id: "readBackPermission", tag: "Permissions", scope: ScopeWrite,
		rerun: true, summary: "Ask the provider for the permission now",
		description: "What it says becomes facts of the ledger; the answer is the state after them. 502 when the provider fails, 503 when it takes no more questions for now; then nothing has changed.",
	}, s.readBack)
}

func (s *Server) readBack(ctx context.Context, in *PairParams) (*permissionOutput, error) {
	pair, err := parsePair("path", in.Business, in.User)
	if err != nil {
		return nil, err
	}
	account, ok := s.accountOf(pair.Business)
	if !ok {
		return nil, refused(permissions.Decision{Reason: permissions.UnknownBusiness})
	}
	if s.cfg.Reader == nil {
		return nil, problem(http.StatusConflict, reasonConflict, "The account's provider cannot be asked for permissions.")
	}
	askCtx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	if _, err := s.cfg.Reader.Ask(askCtx, pair); err != nil {
		if errors.Is(err, readback.ErrBusiness) {
			return nil, problem(http.StatusConflict, reasonConflict, "The account's provider cannot be asked for permissions.")
		}
		return nil, s.notRead(ctx, account.Name, err)
	}
	p, err := s.permission(ctx, pair)
	if err != nil {
		return nil, err
	}
	return &permissionOutput{Body: p}, nil
}

// notRead answers that the provider did not tell the permission. Its own words go
// to the log only, without numbers.
func (s *Server) notRead(ctx context.Context, account string, err error) *Problem {
	s.cfg.Logger.WarnContext(ctx, "provider did not tell the permission",
		slog.String("account", account), slog.String("error", mask(err.Error())))
	if askedResult(err) == askedLimited {
		return problem(http.StatusServiceUnavailable, reasonUnavailable, "The provider takes no more questions for now; try again.")
	}
	return problem(http.StatusBadGateway, reasonProvider, "The provider did not tell the permission: "+providerCode(err)+".")
}

// Asked counts a question to a provider's permission query by why it was asked and
// what became of it. The wiring calls it for the questions of the reader.
func (s *Server) Asked(q readback.Question) {
	s.metrics.readBacks.WithLabelValues(string(q.Why), askedResult(q.Err)).Inc()
}

// rateLimited is Meta's code for a query budget that is used up (HTTP 429).
const rateLimited = 613

func askedResult(err error) string {
	if err == nil {
		return askedAnswered
	}
	if errors.Is(err, readback.ErrPaused) {
		return askedLimited
	}
	api, ok := errors.AsType[*provider.APIError](err)
	switch {
	case !ok:
		return askedFailed
	case api.Status == http.StatusTooManyRequests, api.Code == rateLimited:
		return askedLimited
	case api.Status >= http.StatusInternalServerError:
		return askedFailed
	}
	return askedRefused
}
