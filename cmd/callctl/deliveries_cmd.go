package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
)

// deliveriesCmd is `callctl deliveries`.
type deliveriesCmd struct {
	List   deliveriesListCmd   `cmd:"" help:"List webhook deliveries, newest first."`
	Show   deliveriesShowCmd   `cmd:"" help:"Show one delivery, with its body where it was not taken in whole."`
	Replay deliveriesReplayCmd `cmd:"" help:"Read a kept delivery again, with what callctl understands today."`
}

func deliveryColumns() []column {
	return []column{
		{"id", "id"},
		{"state", "state"},
		{"account", "account"},
		{"received at", "receivedAt"},
		{"auth", "auth"},
		{"bytes", "size"},
		{"repeats", "repeats"},
		{"unknown", "unknown"},
		{"problem", "problem"},
	}
}

// deliveryDetails are the columns of one delivery.
func deliveryDetails() []column { return append(deliveryColumns(), column{"SHA-256", "sha256"}) }

type deliveriesListCmd struct {
	listFlags
	State   string `default:"" enum:",stored,unknown,malformed,quarantined" help:"Only those in this state: stored, unknown, malformed or quarantined." placeholder:"STATE"`
	Account string `help:"Only those of this account."`
}

// Run lists them.
func (c deliveriesListCmd) Run(ctx context.Context, t *terminal, f *daemonFlags) error {
	query := url.Values{}
	if c.State != "" {
		query.Set("state", c.State)
	}
	if c.Account != "" {
		query.Set("account", c.Account)
	}
	return f.printAll(ctx, t, "/v1/deliveries", query, c.Limit, deliveryColumns())
}

type deliveryArg struct {
	ID int64 `arg:"" help:"Id of the delivery."`
}

func (d deliveryArg) path(more string) string {
	return "/v1/deliveries/" + strconv.FormatInt(d.ID, 10) + more
}

type deliveriesShowCmd struct{ deliveryArg }

// Run shows a delivery and its body.
func (c deliveriesShowCmd) Run(ctx context.Context, t *terminal, f *daemonFlags) error {
	return f.showDelivery(ctx, t, http.MethodGet, c.path(""))
}

type deliveriesReplayCmd struct{ deliveryArg }

// Run reads a delivery again and shows what became of it. One that is still not
// taken in whole exits 1.
func (c deliveriesReplayCmd) Run(ctx context.Context, t *terminal, f *daemonFlags) error {
	return f.showDelivery(ctx, t, http.MethodPost, c.path("/replay"))
}

func (f *daemonFlags) showDelivery(ctx context.Context, t *terminal, method, path string) error {
	api, err := f.client()
	if err != nil {
		return err
	}
	raw, err := api.call(ctx, method, path, nil, nil)
	if err != nil {
		return err
	}
	var d struct {
		State string `json:"state"`
		Body  string `json:"body"`
	}
	if err := json.Unmarshal(raw, &d); err != nil {
		return fmt.Errorf("the answer is no delivery: %w", err)
	}
	if err := t.object(raw, deliveryDetails()); err != nil {
		return err
	}
	if t.Format == formatTable && d.Body != "" {
		if err := t.write([]byte("\n" + printable(d.Body) + "\n")); err != nil {
			return err
		}
	}
	if method == http.MethodPost && d.State != "stored" {
		return errQuiet
	}
	return nil
}
