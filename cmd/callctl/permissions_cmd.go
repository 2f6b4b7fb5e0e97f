package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
)

// permissionsCmd is `callctl permissions`.
type permissionsCmd struct {
	List    permissionsListCmd    `cmd:"" help:"List the state of every pair of business and user."`
	Show    permissionsShowCmd    `cmd:"" help:"Show the state of one pair."`
	Events  permissionsEventsCmd  `cmd:"" help:"Show the history of one pair."`
	Request permissionsRequestCmd `cmd:"" help:"Ask the user for call permission."`

	Grant    permissionsGrantCmd    `cmd:"" help:"Record a permission that the user gave elsewhere; may need a second person."`
	Revoke   permissionsRevokeCmd   `cmd:"" help:"Withdraw a permission; ends its pending callbacks."`
	Resume   permissionsResumeCmd   `cmd:"" help:"Let requests go to a user who had stopped messages and asked for them again."`
	Zone     permissionsZoneCmd     `cmd:"" help:"Say in which time zone the user is, for the quiet hours."`
	ReadBack permissionsReadBackCmd `cmd:"" help:"Ask the provider for the permission now." name:"read-back"`
}

// pairArgs name the ledger's key.
type pairArgs struct {
	Business string `arg:"" help:"Our number, E.164."`
	User     string `arg:"" help:"The user: E.164 or BSUID."`
}

func (p pairArgs) path(more string) string {
	return "/v1/permissions/" + segment(p.Business) + "/" + segment(p.User) + more
}

// segment writes a value as one part of a path; a plus becomes %2B.
func segment(s string) string { return url.QueryEscape(s) }

// listFlags bound a listing.
type listFlags struct {
	Limit int `default:"100" help:"At most so many; 0 for all."`
}

func permissionColumns() []column {
	return []column{
		{"business", "business"},
		{"user", "user"},
		{"status", "status"},
		{"reason", "reason"},
		{"expires at", "expiresAt"},
		{"granted at", "grantedAt"},
		{"auth", "grantAuth"},
		{"verified", "verified"},
		{"do not call", "doNotCall"},
	}
}

func actionColumns() []column {
	return []column{
		{"action", "name"},
		{"possible now", "canPerform"},
		{"reason", "reason"},
		{"possible from", "retryAfter"},
		{"possible until", "until"},
		{"limits", "limits"},
	}
}

func eventColumns() []column {
	return []column{
		{"at", "at"},
		{"kind", "kind"},
		{"auth", "auth"},
		{"expires", "expires"},
		{"outcome", "outcome"},
		{"actor", "actor"},
		{"reason", "reason"},
		{"webhook", "source.delivery"},
		{"received", "source.receivedAt"},
		{"audit", "auditIndex"},
		{"id", "id"},
	}
}

func requestColumns() []column {
	return []column{
		{"id", "id"},
		{"provider's message", "messageId"},
		{"template", "template"},
		{"decision", "decisionId"},
		{"audit", "auditIndex"},
	}
}

type permissionsListCmd struct {
	Business string `help:"Only this number of ours."`
	listFlags
}

// Run lists pairs.
func (c permissionsListCmd) Run(ctx context.Context, t *terminal, f *daemonFlags) error {
	query := url.Values{}
	if c.Business != "" {
		query.Set("business", c.Business)
	}
	return f.printAll(ctx, t, "/v1/permissions", query, c.Limit, permissionColumns())
}

type permissionsShowCmd struct{ pairArgs }

// Run shows one pair, and what may be done now.
func (c permissionsShowCmd) Run(ctx context.Context, t *terminal, f *daemonFlags) error {
	api, err := f.client()
	if err != nil {
		return err
	}
	raw, err := api.call(ctx, http.MethodGet, c.path(""), nil, nil)
	if err != nil {
		return err
	}
	return showPermission(t, raw)
}

// showPermission prints a permission and, as a table, what may be done now.
func showPermission(t *terminal, raw []byte) error {
	if err := t.object(json.RawMessage(raw), permissionColumns()); err != nil || t.Format != formatTable {
		return err
	}
	var shown struct {
		Actions []json.RawMessage `json:"actions"`
	}
	if err := json.Unmarshal(raw, &shown); err != nil {
		return fmt.Errorf("the answer is no permission: %w", err)
	}
	return t.section("", shown.Actions, actionColumns())
}

type permissionsEventsCmd struct {
	pairArgs
	Limit int `default:"0" help:"At most so many; 0 for all."`
}

// Run shows the history of one pair.
func (c permissionsEventsCmd) Run(ctx context.Context, t *terminal, f *daemonFlags) error {
	return f.printAll(ctx, t, c.path("/events"), url.Values{}, c.Limit, eventColumns())
}

type permissionsRequestCmd struct {
	pairArgs
	Template string   `help:"Template to send instead of the account's."`
	Language string   `help:"Language of the template."`
	Param    []string `help:"Body parameter of the template; repeat in order."`
	Text     string   `help:"The text as the user sees it, kept as evidence."`
	Purpose  string   `help:"What the permission is for."`
}

// permissionRequest is the body of POST …/requests.
type permissionRequest struct {
	Template string   `json:"template,omitempty"`
	Language string   `json:"language,omitempty"`
	Params   []string `json:"params,omitempty"`
	Text     string   `json:"text,omitempty"`
	Purpose  string   `json:"purpose,omitempty"`
}

// Run asks the user.
func (c permissionsRequestCmd) Run(ctx context.Context, t *terminal, f *daemonFlags) error {
	in := permissionRequest{Template: c.Template, Language: c.Language, Params: c.Param, Text: c.Text, Purpose: c.Purpose}
	return f.print(ctx, t, http.MethodPost, c.path("/requests"), in, requestColumns())
}
