package permissions

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/geo"
)

// The SQL of what read-backs leave beside events.
const (
	selectDrift = `SELECT ours, theirs, rule_pack FROM limit_drift WHERE business = ? AND action = ? AND period = ?`
	upsertDrift = `INSERT INTO limit_drift (business, action, period, rule_pack, ours, theirs, since_ms, seen_ms)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (business, action, period) DO UPDATE SET rule_pack = excluded.rule_pack, ours = excluded.ours,
			theirs = excluded.theirs, since_ms = excluded.since_ms, seen_ms = excluded.seen_ms`
	seeDrift     = `UPDATE limit_drift SET seen_ms = ? WHERE business = ? AND action = ? AND period = ?`
	deleteDrift  = `DELETE FROM limit_drift WHERE business = ? AND action = ? AND period = ?`
	selectDrifts = `SELECT business, action, period, rule_pack, ours, theirs, since_ms, seen_ms FROM limit_drift
		WHERE business = ? ORDER BY action, period`

	upsertAlive = `INSERT INTO heartbeat (id, alive_ms) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET alive_ms = excluded.alive_ms`
	selectAlive = `SELECT alive_ms FROM heartbeat WHERE id = 1`
)

// recordDrift compares the limits that a provider told with those of the rule pack
// and keeps the differences. Only a change of them is an entry of the audit; one
// that is over is an entry in which both are the same.
func (l *Ledger) recordDrift(ctx context.Context, tx *audit.Tx, business geo.E164, s ProviderState) error {
	p := l.pack(business, tx.Now())
	for _, a := range s.Actions {
		limits, known := p.limitsOf(a.Name)
		if !known {
			continue
		}
		for _, t := range a.Limits {
			period, ok := isoDuration(t.Period)
			if !ok {
				continue
			}
			d := Drift{
				Business: business, Action: a.Name, Period: t.Period, Pack: p.cite(), Ours: maxIn(limits, period),
				Theirs: t.Max, Since: tx.Now(), Seen: tx.Now(),
			}
			if err := l.keepDrift(ctx, tx, d); err != nil {
				return err
			}
		}
	}
	return nil
}

// keepDrift brings one line up to date.
func (l *Ledger) keepDrift(ctx context.Context, tx *audit.Tx, d Drift) error {
	var ours, theirs int
	var pack string
	err := tx.QueryRowContext(ctx, selectDrift, string(d.Business), d.Action, d.Period).Scan(&ours, &theirs, &pack)
	known := err == nil
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("read drift: %w", err)
	}
	now, same := tx.Now().UnixMilli(), d.Ours == d.Theirs
	switch {
	case same && !known:
		return nil
	case known && ours == d.Ours && theirs == d.Theirs && pack == d.Pack:
		_, err = tx.ExecContext(ctx, seeDrift, now, string(d.Business), d.Action, d.Period)
		return orStore(err)
	case same:
		_, err = tx.ExecContext(ctx, deleteDrift, string(d.Business), d.Action, d.Period)
	default:
		_, err = tx.ExecContext(ctx, upsertDrift, string(d.Business), d.Action, d.Period, d.Pack, d.Ours, d.Theirs, now, now)
	}
	if err != nil {
		return orStore(err)
	}
	if _, err := tx.Append(ctx, audit.Record{Kind: "provider.limit_drift", Payload: d}); err != nil {
		return fmt.Errorf("audit drift: %w", err)
	}
	return nil
}

func orStore(err error) error {
	if err != nil {
		return fmt.Errorf("store drift: %w", err)
	}
	return nil
}

// drifts are the limits of a business's provider that differ from the rule pack's,
// as they were read last; never nil.
func (l *Ledger) drifts(ctx context.Context, q querier, business geo.E164) ([]Drift, error) {
	out, err := collect(ctx, q, func(rows *sql.Rows) (d Drift, err error) {
		var since, seen int64
		err = rows.Scan(&d.Business, &d.Action, &d.Period, &d.Pack, &d.Ours, &d.Theirs, &since, &seen)
		d.Since, d.Seen = time.UnixMilli(since).UTC(), time.UnixMilli(seen).UTC()
		return d, err
	}, selectDrifts, string(business))
	if err != nil {
		return nil, err
	}
	return append([]Drift{}, out...), nil
}

// limitsOf are the pack's limits on an action, by the provider's name for it.
func (p *pack) limitsOf(action string) ([]limit, bool) {
	switch Action(action) {
	case RequestPermission:
		return p.Requests.Limits, true
	case StartCall:
		return p.Calls.Connected, true
	}
	return nil, false
}

func maxIn(limits []limit, period time.Duration) int {
	for _, l := range limits {
		if l.Period.duration() == period {
			return l.Max
		}
	}
	return 0
}

// period is an ISO 8601 duration of weeks, days, hours, minutes and seconds, as
// providers write the periods of limits.
var period = regexp.MustCompile(`^P(?:(\d{1,3})W)?(?:(\d{1,4})D)?(?:T(?:(\d{1,4})H)?(?:(\d{1,6})M)?(?:(\d{1,8})S)?)?$`)

func isoDuration(s string) (time.Duration, bool) {
	parts := period.FindStringSubmatch(s)
	if parts == nil {
		return 0, false
	}
	units := []time.Duration{7 * 24 * time.Hour, 24 * time.Hour, time.Hour, time.Minute, time.Second}
	var d time.Duration
	for i, unit := range units {
		if n, err := strconv.Atoi(parts[i+1]); err == nil {
			d += time.Duration(n) * unit
		}
	}
	return d, d > 0
}

// Alive notes that the process runs and its webhooks are open; LastAlive is when
// it last was, zero for never. They are how an outage is known after it.
func (l *Ledger) Alive(ctx context.Context) error {
	return l.cfg.Log.Update(ctx, func(ctx context.Context, tx *audit.Tx) error {
		if _, err := tx.ExecContext(ctx, upsertAlive, tx.Now().UnixMilli()); err != nil {
			return fmt.Errorf("store heartbeat: %w", err)
		}
		return nil
	})
}

// LastAlive is the time of the last [Ledger.Alive], zero for never.
func (l *Ledger) LastAlive(ctx context.Context) (time.Time, error) {
	var ms int64
	err := l.cfg.Read.QueryRowContext(ctx, selectAlive).Scan(&ms)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("read heartbeat: %w", err)
	}
	return time.UnixMilli(ms).UTC(), nil
}
