package permissions

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/geo"
)

const (
	// sweepTick is how often the sweep looks for what has ended.
	sweepTick = 20 * time.Second
	// sweepBatch is how many pairs one transaction of the sweep takes at most, and
	// sweepHold how long it goes on taking them: whoever opts out waits for it.
	sweepBatch = 16
	sweepHold  = 2 * time.Millisecond
	// sweepRetry is how long the sweep waits after a failure of the database.
	sweepRetry = time.Second
)

// Swept is what a sweep did.
type Swept struct {
	Expired   int           // grants marked as ended
	Expiring  int           // grants announced as about to end
	Projected int           // pairs computed anew, by another version of their rule pack
	Longest   time.Duration // from the begin of a transaction's work until the sweep knew it durable: it held the writer no longer
}

// Run sweeps until ctx ends: at start and every 20 s it marks the grants that have
// ended (an Expired event, audit kind permission.expired) and those that end
// within the rule pack's warning (permission.expiring), in transactions of at most 16
// grants and about 2 ms of work, so that an opt-out waits for little more than the disk.
// Decisions do not depend on it: expiry is evaluated when it matters. The error is
// the audit log's when it has failed for good, nil when ctx ends it.
func (l *Ledger) Run(ctx context.Context) error {
	wait := time.Duration(0)
	for {
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		_, err := l.Sweep(ctx)
		switch {
		case ctx.Err() == nil && errors.Is(err, audit.ErrFailed):
			return fmt.Errorf("sweep: %w", err)
		case err != nil:
			wait = sweepRetry
		default:
			wait = sweepTick
		}
	}
}

// Sweep marks all that is due now, in as many transactions as it takes, and
// computes anew what another version of a rule pack than the one in force has
// computed. Between two transactions it leaves the writer to others for as long as
// it held it.
func (l *Ledger) Sweep(ctx context.Context) (Swept, error) {
	var s Swept
	for business := range l.businesses {
		if err := l.reproject(ctx, business, &s); err != nil {
			return s, err
		}
	}
	for {
		n, held, err := l.chunk(ctx, &s, func(ctx context.Context, q querier, limit int) ([]pairKey, error) {
			return pairsOf(ctx, q, selectDue, l.cfg.Now().UnixMilli(), limit)
		}, l.mark)
		if err != nil || n == 0 {
			return s, err
		}
		if err := yield(ctx, held); err != nil {
			return s, err
		}
	}
}

// reproject computes anew the pairs of a business whose row another version of its
// rule pack has written.
func (l *Ledger) reproject(ctx context.Context, business geo.E164, s *Swept) error {
	for _, query := range []string{selectPackBelow, selectPackAbove} {
		for {
			n, held, err := l.chunk(ctx, s, func(ctx context.Context, q querier, limit int) ([]pairKey, error) {
				return pairsOf(ctx, q, query, string(business), l.pack(business, l.cfg.Now()).cite(), limit)
			}, l.renew)
			if err != nil {
				return err
			}
			if n == 0 {
				break
			}
			if err := yield(ctx, held); err != nil {
				return err
			}
		}
	}
	return nil
}

// chunk lets f work on some of the pairs that are due, in one transaction that ends
// once it has taken long enough. It returns how many there were.
func (l *Ledger) chunk(ctx context.Context, s *Swept, due func(context.Context, querier, int) ([]pairKey, error),
	f func(context.Context, *audit.Tx, pairKey, *Swept) error,
) (n int, held time.Duration, err error) {
	keys, err := due(ctx, l.cfg.Read, sweepBatch)
	if err != nil || len(keys) == 0 {
		return 0, 0, err
	}
	var done Swept
	var began time.Time
	err = l.cfg.Log.Update(ctx, func(ctx context.Context, tx *audit.Tx) error {
		began = time.Now()
		for _, k := range keys {
			if err := f(ctx, tx, k, &done); err != nil {
				return err
			}
			if time.Since(began) >= sweepHold {
				break
			}
		}
		return nil
	})
	if err != nil {
		return 0, 0, err
	}
	held = time.Since(began)
	s.Expired, s.Expiring, s.Projected = s.Expired+done.Expired, s.Expiring+done.Expiring, s.Projected+done.Projected
	s.Longest = max(s.Longest, held)
	return len(keys), held, nil
}

// yield leaves the writer to others for a time.
func yield(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// dueRow is what the sweep knows of a pair without its events.
type dueRow struct {
	grant, pack  string
	expires, due int64
}

// mark records that a grant is about to end or has ended, once each, and when to
// look at it next. What is in the row holds, because every event of the pair
// writes it anew; only the rule pack may be another since, or the pair have been
// swept already.
func (l *Ledger) mark(ctx context.Context, tx *audit.Tx, k pairKey, s *Swept) error {
	now := tx.Now()
	var row dueRow
	err := tx.QueryRowContext(ctx, selectDueRow, string(k.business), k.subject, now.UnixMilli()).
		Scan(&row.grant, &row.pack, &row.expires, &row.due)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read permission: %w", err)
	}
	p := l.pack(k.business, now)
	if row.pack != p.cite() {
		return l.renew(ctx, tx, k, s)
	}
	ends := time.UnixMilli(row.expires).UTC()
	end := ends.Add(-p.Grant.ClockSkew.duration())
	kind, next := Expired, sql.NullInt64{}
	if now.Before(end) {
		kind, next = Expiring, sql.NullInt64{Int64: end.UnixMilli(), Valid: true}
	}
	if err := l.markGrant(ctx, tx, k, kind, row.grant, ends, s); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, updateDue, next, string(k.business), k.subject); err != nil {
		return fmt.Errorf("store permission: %w", err)
	}
	return nil
}

// markGrant records the mark, unless the grant has it.
func (l *Ledger) markGrant(ctx context.Context, tx *audit.Tx, k pairKey, kind EventKind, grant string, ends time.Time, s *Swept) error {
	id := "callctl/" + string(kind) + "/" + grant
	if seen, err := exists(ctx, tx, selectEventSeen, id); err != nil || seen {
		return err
	}
	user, err := l.addressIfAny(ctx, tx, k.subject)
	if err != nil {
		return err
	}
	r := &recording{
		Event: Event{
			ID: id, Kind: kind, Pair: Pair{Business: k.business, User: user}, At: tx.Now(), Received: tx.Now(),
			Account: l.businesses[k.business].Account, Auth: AuthSelf, Ref: grant, Expires: ends,
		},
		subject: k.subject,
	}
	if kind == Expired {
		s.Expired++
	} else {
		s.Expiring++
	}
	return keep(ctx, tx, r, l.payload(r, tx.Now()))
}

// renew computes the row of a pair anew, by the rule pack in force.
func (l *Ledger) renew(ctx context.Context, tx *audit.Tx, k pairKey, s *Swept) error {
	events, err := l.pairEvents(ctx, tx, k.subject, k.business)
	if err != nil {
		return err
	}
	s.Projected++
	return l.project(ctx, tx, k.subject, k.business, fold(events))
}

// pairsOf reads the pairs of a query.
func pairsOf(ctx context.Context, q querier, query string, args ...any) ([]pairKey, error) {
	return collect(ctx, q, func(rows *sql.Rows) (k pairKey, err error) {
		err = rows.Scan(&k.business, &k.subject)
		return k, err
	}, query, args...)
}
