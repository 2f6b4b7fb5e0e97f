package server

import (
	"context"
	"log/slog"
	"time"

	"github.com/callctl/callctl/geo"
	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/provider"
)

// sendTimeout bounds one message to a provider.
const sendTimeout = 20 * time.Second

type requestInput struct {
	PairParams
	Body *struct {
		Template string   `json:"template,omitempty" maxLength:"512" doc:"The account's own when absent"`
		Language string   `json:"language,omitempty" maxLength:"16" example:"en"`
		Params   []string `json:"params,omitempty" maxItems:"20" doc:"Body parameters of the template, in order"`
		Text     string   `json:"text,omitempty" maxLength:"4096" doc:"The text as the user sees it, kept as evidence"`
		Purpose  string   `json:"purpose,omitempty" maxLength:"200"`
	} `required:"false"`
}

// PermissionRequest is a request that the provider took.
type PermissionRequest struct {
	ID         string           `json:"id" doc:"Ours; stands in the ledger"`
	MessageID  string           `json:"messageId" doc:"The provider's; the reply refers to it"`
	Business   geo.E164         `json:"business"`
	User       permissions.User `json:"user"`
	Template   string           `json:"template" doc:"name/language"`
	DecisionID string           `json:"decisionId,omitempty"`
	AuditIndex int64            `json:"auditIndex"`
}

type requestOutput struct{ Body PermissionRequest }

func (s *Server) requestPermission(ctx context.Context, in *requestInput) (*requestOutput, error) {
	pair, err := parsePair("path", in.Business, in.User)
	if err != nil {
		return nil, err
	}
	account, ok := s.accountOf(pair.Business)
	if !ok {
		return nil, refused(permissions.Decision{Reason: permissions.UnknownBusiness})
	}
	ask, template := s.ask(ctx, pair, account, in)
	if template.Name == "" {
		return nil, badField("body.template", "the account has no template of its own, so one must be named")
	}
	d, err := s.cfg.Ledger.AuthorizeRequest(ctx, ask)
	if err != nil {
		return nil, err
	}
	s.Decided(d)
	if !d.Allow {
		return nil, refused(d)
	}
	// From here the request stands in the ledger: it is sent even when the
	// client has gone.
	sendCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendTimeout)
	defer cancel()
	message, err := account.Provider.RequestPermission(sendCtx, pair.User, template, ask.ID)
	// What became of it is written however long that took.
	noteCtx, done := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer done()
	if err != nil {
		return nil, s.notSent(noteCtx, pair, account, ask.ID, err)
	}
	// The message is out whether or not its id can be noted; the reply counts
	// without it.
	if err := s.cfg.Ledger.LinkRequest(noteCtx, ask.ID, message); err != nil {
		s.cfg.Logger.ErrorContext(ctx, "provider's message id not recorded", slog.String("request", ask.ID), slog.String("error", mask(err.Error())))
	}
	return &requestOutput{Body: PermissionRequest{
		ID: ask.ID, MessageID: message, Business: pair.Business, User: pair.User,
		Template: ask.Template, DecisionID: d.ID, AuditIndex: d.AuditIndex,
	}}, nil
}

// accountOf finds the account of a business number.
func (s *Server) accountOf(n geo.E164) (Account, bool) {
	for _, a := range s.cfg.Accounts {
		if a.Business == n {
			return a, true
		}
	}
	return Account{}, false
}

func (s *Server) ask(ctx context.Context, pair permissions.Pair, a Account, in *requestInput) (permissions.Ask, provider.Template) {
	t := a.Template
	ask := permissions.Ask{Pair: pair, ID: s.cfg.NewID(), Actor: caller(ctx).name}
	if b := in.Body; b != nil {
		if b.Template != "" {
			t = provider.Template{Name: b.Template, Language: orElse(b.Language, a.Template.Language)}
		}
		if b.Params != nil {
			t.Params = b.Params
		}
		ask.Text, ask.Purpose = b.Text, b.Purpose
	}
	ask.Template = t.Name + "/" + t.Language
	return ask, t
}
