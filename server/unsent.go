package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/provider"
)

// failedRecord says that the provider did not take a request that the ledger has.
type failedRecord struct {
	Request string `json:"request"`
	Account string `json:"account"`
	Error   string `json:"error"` // the provider's codes
}

// notSent notes in the audit that a request was not sent, and what the provider's
// refusal says of the user or of our number, and answers 502; the provider's own
// words go to the log only, without numbers.
func (s *Server) notSent(ctx context.Context, pair permissions.Pair, a Account, id string, sent error) *Problem {
	code := providerCode(sent)
	s.cfg.Logger.WarnContext(ctx, "provider did not take the message", slog.String("request", id), slog.String("error", mask(sent.Error())))
	err := s.cfg.Log.Update(ctx, func(ctx context.Context, tx *audit.Tx) error {
		subject, err := s.cfg.Ledger.EnsureSubject(ctx, tx, pair.User)
		if err != nil {
			return wrap("subject", err)
		}
		_, err = tx.Append(ctx, audit.Record{Kind: "permission.request_failed", Subject: subject, Payload: failedRecord{Request: id, Account: a.Name, Error: code}})
		if err != nil {
			return fmt.Errorf("audit request: %w", err)
		}
		return s.learn(ctx, tx, pair, a, id, sent)
	})
	if err != nil {
		s.cfg.Logger.ErrorContext(ctx, "failed request not recorded", slog.String("request", id), slog.String("error", mask(err.Error())))
	}
	if f, ok := provider.Classify(sent); ok && f.Class == provider.FaultAsk && s.cfg.Reader != nil {
		s.cfg.Reader.Refused(pair) // what the provider holds is not what the ledger knows
	}
	p := problem(http.StatusBadGateway, reasonProvider, "The provider did not take the message: "+code+".")
	p.RetryAfter = utc(provider.RetryAt(sent, s.cfg.Now()))
	return p
}

// learn records what a provider's refusal of a request says beside the request: of
// a user who cannot be reached, that the message did not arrive; of our number,
// that it may not ask.
func (s *Server) learn(ctx context.Context, tx *audit.Tx, pair permissions.Pair, a Account, id string, sent error) error {
	if n, ok := provider.NumberFault(sent); ok {
		n.ID, n.Business, n.Account, n.At = "callctl/unable/"+id, pair.Business, a.Name, tx.Now()
		_, err := s.cfg.Ledger.RecordNotices(ctx, tx, n)
		return wrap("record notice", err)
	}
	f, ok := provider.Classify(sent)
	if !ok || f.Class != provider.FaultUser && f.Class != provider.FaultWait {
		return nil
	}
	_, err := s.cfg.Ledger.RecordTx(ctx, tx, permissions.Event{
		ID: "callctl/undelivered/" + id, Kind: permissions.Delivered, Pair: pair, At: tx.Now(),
		Account: a.Name, Auth: permissions.AuthReadBack, Delivery: "failed", Code: f.Code,
	})
	return wrap("record failed message", err)
}

// providerCode is a provider's refusal in codes, without its words.
func providerCode(err error) string {
	if api, ok := errors.AsType[*provider.APIError](err); ok {
		return api.Provider + " " + strconv.Itoa(api.Status) + "/" + strconv.Itoa(api.Code)
	}
	return "no answer"
}
