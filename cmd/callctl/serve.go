package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/callctl/callctl/server"
)

// serveCmd is "callctl serve".
type serveCmd struct {
	Config string `help:"The configuration file." placeholder:"FILE" required:"" type:"existingfile"`
}

// Run is the daemon: it serves until it is interrupted.
func (c serveCmd) Run(ctx context.Context, t *terminal) (err error) {
	cfg, err := LoadConfig(c.Config, t.Env)
	if err != nil {
		return err
	}
	d, err := newDaemon(ctx, cfg, newLogger(cfg.Log, t.Out))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	return d.Run(ctx)
}

// Run serves until ctx ends or a part fails, then stops everything, newest
// first: readiness and HTTP, scheduler, bridge (every live call is ended
// cleanly), confirmations, the audit's last checkpoint. The database is closed
// by close.
func (d *daemon) Run(ctx context.Context) error {
	left, err := d.ledger.Recover(ctx)
	if err != nil {
		return fmt.Errorf("recover attempts: %w", err)
	}
	if d.bridge != nil {
		d.bridge.Abandon(left...)
	}
	p := newParts(d.logger, stopTimeout)
	p.start(ctx, "WAL checkpoints", d.db.RunCheckpoints)
	p.start(ctx, "audit log", d.log.Run)
	p.start(ctx, "permission ledger", d.ledger.Run)
	p.start(ctx, "read-back", d.reader.Run)
	p.start(ctx, "calling settings", d.readSettings)
	p.start(ctx, "do-not-call imports", d.importer.Run)
	p.start(ctx, "outgoing webhooks", d.notifier.Run)
	p.start(ctx, "confirmations", d.confirmer.Run)
	if d.bridge != nil {
		p.start(ctx, "bridge", d.bridge.Run)
		if err := p.until(ctx, d.bridge.Ready()); err != nil || ctx.Err() != nil {
			return errors.Join(err, p.stop())
		}
	}
	p.start(ctx, "callbacks", d.callbacks.Run)
	p.start(ctx, "admin HTTP", func(ctx context.Context) error {
		return serveHTTP(ctx, d.admin, server.HTTPServer(d.admin.Addr().String(), d.server.Admin()), nil)
	})
	p.start(ctx, "HTTP", func(ctx context.Context) error {
		return serveHTTP(ctx, d.api, server.HTTPServer(d.api.Addr().String(), d.server.Handler()), d.server.Shutdown)
	})
	p.start(ctx, "purge", d.purge)
	d.server.SetReady(true)
	d.logger.Info("ready", "api", d.api.Addr().String(), "admin", d.admin.Addr().String(), "sip", d.sipAddrs())
	err = p.wait(ctx)
	d.server.SetReady(false)
	return errors.Join(err, p.stop())
}

// purgeEvery is how often what is kept for a time only is forgotten.
const purgeEvery = time.Hour

// purge forgets, at start and hourly, idempotency answers and webhook bodies
// that are past their time. A failure is logged and tried again the next hour.
func (d *daemon) purge(ctx context.Context) error {
	tick := time.NewTicker(purgeEvery)
	defer tick.Stop()
	for {
		if err := d.server.Purge(ctx); err != nil && ctx.Err() == nil {
			d.logger.Error("purge failed", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (d *daemon) sipAddrs() []string {
	if d.bridge == nil {
		return nil
	}
	return d.bridge.ListenAddrs()
}

// close frees what newDaemon opened. Run has returned before.
func (d *daemon) close() error {
	var errs []error
	for _, l := range []net.Listener{d.api, d.admin} {
		if l != nil {
			if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
				errs = append(errs, err)
			}
		}
	}
	if d.bridge != nil {
		errs = append(errs, d.bridge.Close()) // nothing to do after its Run
	}
	if d.transport != nil {
		d.transport.CloseIdleConnections()
	}
	if d.db != nil {
		errs = append(errs, d.db.Close())
	}
	return errors.Join(errs...)
}

// serveHTTP serves until ctx ends; then first ends what streams (before), and
// lets running requests finish.
func serveHTTP(ctx context.Context, l net.Listener, s *http.Server, before func(context.Context) error) error {
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	select {
	case err := <-done:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout-2*time.Second)
	defer cancel()
	var errs []error
	if before != nil {
		errs = append(errs, before(stop))
	}
	errs = append(errs, s.Shutdown(stop))
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// newLogger writes the daemon's log as configured. Phone numbers and secrets are
// masked by their types.
func newLogger(c LogConfig, w interface{ Write([]byte) (int, error) }) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		level = slog.LevelInfo // the configuration was checked before
	}
	o := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}
