package main

import (
	"context"
	"time"

	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/provider"
)

// settingsEvery is how often a number's calling settings are read. Webhooks tell
// changes at once; reading is what lifts a restriction without an end of its own,
// and finds what a lost webhook said.
const settingsEvery = 24 * time.Hour

// settingsRetry is when they are read again after the provider did not answer.
const settingsRetry = 15 * time.Minute

// readSettings reads, at start and daily, the calling settings of every account
// whose provider tells them, and records restrictions and status as notices.
func (d *daemon) readSettings(ctx context.Context) error {
	for {
		wait := settingsEvery
		for _, a := range d.accounts {
			source, ok := a.Provider.(provider.SettingsReader)
			if !ok || ctx.Err() != nil {
				continue
			}
			if err := d.noteSettings(ctx, a.Name, source); err != nil && ctx.Err() == nil {
				wait = settingsRetry
				d.logger.WarnContext(ctx, "calling settings not read", "account", a.Name, "error", err)
			}
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
	}
}

func (d *daemon) noteSettings(ctx context.Context, account string, source provider.SettingsReader) error {
	ctx, cancel := context.WithTimeout(ctx, providerTimeout)
	defer cancel()
	said, err := source.ReadSettings(ctx)
	if err != nil {
		return err
	}
	return d.faults().record(context.WithoutCancel(ctx), named(said, account)...)
}

// named copies notices with their account.
func named(said []permissions.Notice, account string) []permissions.Notice {
	out := make([]permissions.Notice, 0, len(said))
	for _, n := range said {
		n.Account = account
		out = append(out, n)
	}
	return out
}
