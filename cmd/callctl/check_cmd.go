package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// checkCmd is `callctl check`.
type checkCmd struct {
	Business string    `help:"Our number, E.164." required:""`
	User     string    `help:"The user: E.164 or BSUID." required:""`
	Action   string    `default:"start_call" enum:"start_call,send_call_permission_request" help:"What is to be allowed: ${enum}."`
	Purpose  string    `help:"What the call is for."`
	Template string    `help:"Of a permission request, as name/language: is it one that can be sent?" placeholder:"NAME/LANGUAGE"`
	At       time.Time `format:"2006-01-02T15:04:05Z07:00" help:"Decide for this time (RFC 3339); now when left out."`
}

// decisionRequest asks POST /v1/decisions.
type decisionRequest struct {
	Business string    `json:"business"`
	User     string    `json:"user"`
	Action   string    `json:"action,omitempty"`
	Purpose  string    `json:"purpose,omitempty"`
	Template string    `json:"template,omitempty"`
	At       time.Time `json:"at,omitzero"`
}

func decisionColumns() []column {
	return []column{
		{"allowed", "allow"},
		{"reason", "reason"},
		{"allowed from", "retryAfter"},
		{"allowed until", "until"},
		{"grant", "grant"},
		{"purpose", "purpose"},
		{"template", "template"},
		{"rule pack", "rulePack"},
		{"geography", "geography"},
		{"time zones", "tzdata"},
		{"decided for", "at"},
	}
}

func ruleColumns() []column {
	return []column{
		{"rule", "name"}, {"allows", "allow"}, {"reason", "reason"}, {"allows from", "retryAt"}, {"allows until", "until"}, {"inputs", "inputs"}, {"source", "source"},
	}
}

// Run asks for the decision and prints every rule. A refusal exits 1.
func (c checkCmd) Run(ctx context.Context, t *terminal, f *daemonFlags) error {
	api, err := f.client()
	if err != nil {
		return err
	}
	raw, err := api.call(ctx, http.MethodPost, "/v1/decisions", nil, decisionRequest{
		Business: c.Business, User: c.User, Action: c.Action, Purpose: c.Purpose, Template: c.Template, At: c.At,
	})
	if err != nil {
		return err
	}
	var decision struct {
		Allow bool              `json:"allow"`
		Rules []json.RawMessage `json:"rules"`
	}
	if err := json.Unmarshal(raw, &decision); err != nil {
		return fmt.Errorf("the answer is no decision: %w", err)
	}
	if err := t.object(raw, decisionColumns()); err != nil {
		return err
	}
	if t.Format == formatTable {
		if err := t.section("", decision.Rules, ruleColumns()); err != nil {
			return err
		}
	}
	if !decision.Allow {
		return errQuiet
	}
	return nil
}
