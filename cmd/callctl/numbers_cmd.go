package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// numbersCmd is `callctl numbers`.
type numbersCmd struct {
	List      numbersListCmd      `cmd:"" help:"List our numbers and what holds for them."`
	Show      numbersShowCmd      `cmd:"" help:"Show one number: restrictions, templates, drift."`
	Notices   numbersNoticesCmd   `cmd:"" help:"Show what the provider said about a number, oldest first."`
	Reconcile numbersReconcileCmd `cmd:"" help:"Ask the provider about every standing permission of a number."`
}

func numberColumns() []column {
	return []column{
		{"business", "business"},
		{"account", "account"},
		{"provider", "provider"},
		{"calling", "calling"},
		{"restrictions", "restrictions.type"},
		{"quality", "quality"},
		{"tier", "tier"},
		{"templates", "templates.name"},
		{"drift", "drift.action"},
		{"updated at", "updatedAt"},
	}
}

// numberDetails leave out the lists, which have tables of their own.
func numberDetails() []column {
	return []column{
		{"business", "business"},
		{"account", "account"},
		{"provider", "provider"},
		{"calling", "calling"},
		{"quality", "quality"},
		{"tier", "tier"},
		{"updated at", "updatedAt"},
		{"reconcile", "reconcile"},
	}
}

func restrictionColumns() []column {
	return []column{{"type", "type"}, {"reason", "reason"}, {"since", "since"}, {"until", "until"}, {"notice", "notice"}}
}

func templateColumns() []column {
	return []column{
		{"template", "name"},
		{"status", "status"},
		{"reason", "reason"},
		{"quality", "quality"},
		{"category", "category"},
		{"category before", "recategorisedFrom"},
		{"since", "since"},
	}
}

func driftColumns() []column {
	return []column{
		{"action", "action"},
		{"period", "period"},
		{"rule pack", "rulePack"},
		{"ours", "ours"},
		{"the provider's", "theirs"},
		{"since", "since"},
		{"last seen", "lastSeen"},
	}
}

func noticeColumns() []column {
	return []column{
		{"at", "at"},
		{"kind", "kind"},
		{"event", "event"},
		{"type", "type"},
		{"status", "status"},
		{"template", "template"},
		{"tier", "tier"},
		{"until", "until"},
		{"code", "code"},
		{"advice", "remediation"},
		{"webhook", "webhook"},
		{"id", "id"},
	}
}

type numbersListCmd struct{}

// Run lists the numbers.
func (c numbersListCmd) Run(ctx context.Context, t *terminal, f *daemonFlags) error {
	return f.printAll(ctx, t, "/v1/numbers", url.Values{}, 0, numberColumns())
}

type numberArg struct {
	Business string `arg:"" help:"Our number, E.164."`
}

func (n numberArg) path(more string) string { return "/v1/numbers/" + segment(n.Business) + more }

type numbersShowCmd struct{ numberArg }

// Run shows one number.
func (c numbersShowCmd) Run(ctx context.Context, t *terminal, f *daemonFlags) error {
	api, err := f.client()
	if err != nil {
		return err
	}
	raw, err := api.call(ctx, http.MethodGet, c.path(""), nil, nil)
	if err != nil {
		return err
	}
	if err := t.object(raw, numberDetails()); err != nil || t.Format != formatTable {
		return err
	}
	var n struct {
		Restrictions []json.RawMessage `json:"restrictions"`
		Violations   []json.RawMessage `json:"violations"`
		Templates    []json.RawMessage `json:"templates"`
		Drift        []json.RawMessage `json:"drift"`
	}
	if err := json.Unmarshal(raw, &n); err != nil {
		return fmt.Errorf("the answer is no number: %w", err)
	}
	for _, part := range []struct {
		title   string
		items   []json.RawMessage
		columns []column
	}{
		{"restrictions:", n.Restrictions, restrictionColumns()},
		{"violations:", n.Violations, noticeColumns()},
		{"templates:", n.Templates, templateColumns()},
		{"limits that differ from the rule pack:", n.Drift, driftColumns()},
	} {
		if err := t.section(part.title, part.items, part.columns); err != nil {
			return err
		}
	}
	return nil
}

type numbersNoticesCmd struct {
	numberArg
	listFlags
}

// Run shows the notices.
func (c numbersNoticesCmd) Run(ctx context.Context, t *terminal, f *daemonFlags) error {
	return f.printAll(ctx, t, c.path("/notices"), url.Values{}, c.Limit, noticeColumns())
}

type numbersReconcileCmd struct {
	numberArg
	NoWait bool `help:"Start the run and do not wait for its end."`
}

// reconciliation is a run, as the API describes it.
type reconciliation struct {
	State     string    `json:"state"`
	StartedAt time.Time `json:"startedAt"`
	EndedAt   time.Time `json:"endedAt,omitzero"`
	StartedBy string    `json:"startedBy"`
	Asked     int       `json:"asked"`
	Failed    int       `json:"failed"`
	Error     string    `json:"error,omitempty"`
}

func reconcileColumns() []column {
	return []column{
		{"state", "state"}, {"asked", "asked"}, {"could not be read", "failed"}, {"error", "error"}, {"started at", "startedAt"}, {"ended at", "endedAt"},
	}
}

// Run starts a run and waits for it. One that failed, also for a part of the
// pairs, exits 1.
func (c numbersReconcileCmd) Run(ctx context.Context, t *terminal, f *daemonFlags) error {
	api, err := f.client()
	if err != nil {
		return err
	}
	raw, err := api.call(ctx, http.MethodPost, c.path("/reconcile"), nil, nil)
	if err != nil {
		return err
	}
	var run reconciliation
	if err := json.Unmarshal(raw, &run); err != nil {
		return fmt.Errorf("the answer is no run: %w", err)
	}
	for !c.NoWait && run.State == "running" {
		if err := pause(ctx); err != nil {
			return err
		}
		if run, err = api.reconciliation(ctx, c.path("")); err != nil {
			return err
		}
	}
	if err := t.object(run, reconcileColumns()); err != nil {
		return err
	}
	if run.State == "failed" || run.Failed > 0 {
		return errQuiet
	}
	return nil
}

// pause is the time between two looks at something that takes its time.
func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(300 * time.Millisecond):
		return nil
	}
}

func (c *client) reconciliation(ctx context.Context, path string) (reconciliation, error) {
	var n struct {
		Reconcile reconciliation `json:"reconcile"`
	}
	raw, err := c.call(ctx, http.MethodGet, path, nil, nil)
	if err != nil {
		return n.Reconcile, err
	}
	if err := json.Unmarshal(raw, &n); err != nil {
		return n.Reconcile, fmt.Errorf("the answer is no number: %w", err)
	}
	return n.Reconcile, nil
}
