package main

import (
	"context"
	"time"

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
	due := make(map[string]time.Time, len(d.accounts)) // by account; absent: now
	for {
		next := d.now().Add(settingsEvery)
		for _, a := range d.accounts {
			source, ok := a.Provider.(provider.SettingsReader)
			if !ok || ctx.Err() != nil {
				continue
			}
			if !d.now().Before(due[a.Name]) {
				due[a.Name] = d.now().Add(d.readSettingsOf(ctx, a.Name, source))
			}
			if due[a.Name].Before(next) {
				next = due[a.Name]
			}
		}
		timer := time.NewTimer(max(next.Sub(d.now()), time.Second))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
	}
}

// readSettingsOf reads one account's settings and says when to do it again.
func (d *daemon) readSettingsOf(ctx context.Context, account string, source provider.SettingsReader) time.Duration {
	err := d.noteSettings(ctx, source)
	if err == nil {
		return settingsEvery
	}
	if ctx.Err() == nil {
		d.logger.WarnContext(ctx, "calling settings not read", "account", account, "error", err)
	}
	return settingsRetry
}

func (d *daemon) noteSettings(ctx context.Context, source provider.SettingsReader) error {
	ctx, cancel := context.WithTimeout(ctx, providerTimeout)
	defer cancel()
	said, err := source.ReadSettings(ctx)
	if err != nil {
		return err
	}
	return d.faults().record(context.WithoutCancel(ctx), said...)
}
