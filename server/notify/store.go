package notify

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/callctl/callctl/compliance/audit"
)

// List returns every subscription, oldest first, without its secret.
func (n *Notifier) List(ctx context.Context) ([]Subscription, error) {
	subs, err := n.load(ctx)
	for i := range subs {
		subs[i].Secret = ""
	}
	return subs, err
}

func (n *Notifier) load(ctx context.Context) ([]Subscription, error) {
	rows, err := n.cfg.Read.QueryContext(ctx, sqlList)
	if err != nil {
		return nil, fmt.Errorf("read subscriptions: %w", err)
	}
	defer rows.Close()
	subs := []Subscription{}
	for rows.Next() {
		s, err := scan(rows)
		if err != nil {
			return nil, fmt.Errorf("read subscriptions: %w", err)
		}
		subs = append(subs, s)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read subscriptions: %w", err)
	}
	return subs, nil
}

func scan(rows *sql.Rows) (s Subscription, err error) {
	var kinds, secret, state string
	var created, failing int64
	err = rows.Scan(&s.ID, &s.URL, &kinds, &secret, &s.Actor, &created, &s.Delivered, &state, &failing, &s.Problem)
	if err != nil {
		return s, err
	}
	s.Secret, s.State, s.Created = Secret(secret), State(state), time.UnixMilli(created).UTC()
	if failing != 0 {
		s.FailingSince = time.UnixMilli(failing).UTC()
	}
	return s, json.Unmarshal([]byte(kinds), &s.Kinds)
}

// save writes progress of a delivery. Where a delivery stands is no state of
// calls or consent and has no audit entry of its own; a write per delivery to
// the log that is being delivered would never end.
func (n *Notifier) save(ctx context.Context, query string, args ...any) error {
	return n.cfg.Log.Update(ctx, func(ctx context.Context, tx *audit.Tx) error {
		if _, err := tx.ExecContext(ctx, query, args...); err != nil {
			return fmt.Errorf("keep progress of a subscription: %w", err)
		}
		return nil
	})
}

// disable ends a subscription for good, with an entry of the audit log.
func (n *Notifier) disable(ctx context.Context, s Subscription) error {
	return n.cfg.Log.Update(ctx, func(ctx context.Context, tx *audit.Tx) error {
		since := int64(0)
		if !s.FailingSince.IsZero() {
			since = s.FailingSince.UnixMilli()
		}
		res, err := tx.ExecContext(ctx, sqlDisable, since, s.Problem, s.ID)
		if err != nil {
			return fmt.Errorf("disable subscription: %w", err)
		}
		if rows, err := res.RowsAffected(); err != nil || rows == 0 {
			return err // deleted meanwhile
		}
		_, err = tx.Append(ctx, audit.Record{Kind: kindDisabled, Payload: subscriptionRecord{ID: s.ID, Reason: s.Problem}})
		return err
	})
}
