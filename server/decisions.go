package server

import (
	"context"
	"net/http"
	"time"

	"github.com/callctl/callctl/permissions"
)

type decisionInput struct {
	Body struct {
		Business string             `json:"business" doc:"One of our numbers, E.164" example:"+6531234567"`
		User     string             `json:"user" doc:"E.164 number or BSUID" example:"+6591234567"`
		Action   permissions.Action `json:"action,omitempty" enum:"start_call,send_call_permission_request" doc:"start_call when absent"`
		Purpose  string             `json:"purpose,omitempty" maxLength:"200"`
		Template string             `json:"template,omitempty" maxLength:"512" doc:"Of a permission request, as name/language: is it one that can be sent?" example:"call_permission/en"`
		At       time.Time          `json:"at,omitzero" doc:"Now when absent; a time in the past is answered by the facts dated up to it and the rules in force then"`
	}
}

type decisionOutput struct {
	Body permissions.Decision
}

func (s *Server) decisionRoutes() {
	register(s, operation{
		method: http.MethodPost, path: "/v1/decisions", id: "decide", tag: "Permissions", scope: ScopeRead, rerun: true,
		summary:     "May this business call this user?",
		description: "The dry run of the gate: the same rules as before a call, every one of them listed, nothing written. 200 whether the answer is yes or no.",
	}, s.decide)
}

func (s *Server) decide(ctx context.Context, in *decisionInput) (*decisionOutput, error) {
	pair, err := s.knownPair(ctx, "body", in.Body.Business, in.Body.User)
	if err != nil {
		return nil, err
	}
	q := permissions.Query{Pair: pair, Action: in.Body.Action, Purpose: in.Body.Purpose, Template: in.Body.Template, At: in.Body.At}
	if q.Action == "" {
		q.Action = permissions.StartCall
	}
	d, err := s.cfg.Ledger.Check(ctx, q)
	if err != nil {
		return nil, err
	}
	return &decisionOutput{Body: d}, nil
}

// Decided counts a decision that was taken in earnest; dry runs are not counted.
// The wiring calls it for the dials that the bridge puts before the gate.
func (s *Server) Decided(d permissions.Decision) {
	verdict := "refuse"
	if d.Allow {
		verdict = "allow"
	}
	s.metrics.decisions.WithLabelValues(string(d.Action), verdict, string(d.Reason)).Inc()
}
