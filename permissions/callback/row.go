package callback

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/geo"
	"github.com/callctl/callctl/permissions"
)

type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func scan(row interface{ Scan(dest ...any) error }) (c Callback, err error) {
	var before, after, due, created, updated int64
	err = row.Scan(&c.ID, &c.Business, &c.User, &before, &after, &due, &c.Purpose, &c.Agent, &c.Order,
		&c.State, &c.Reason, &c.CallID, &c.Actor, &created, &updated)
	c.NotBefore, c.NotAfter, c.due = fromMillis(before), fromMillis(after), fromMillis(due)
	c.CreatedAt, c.UpdatedAt = fromMillis(created), fromMillis(updated)
	return c, err
}

func fromMillis(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

func read(ctx context.Context, q querier, id string) (Callback, error) {
	c, err := scan(q.QueryRowContext(ctx, selectCallback, id))
	if errors.Is(err, sql.ErrNoRows) {
		return Callback{}, ErrNotFound
	}
	if err != nil {
		return Callback{}, fmt.Errorf("read callback: %w", err)
	}
	return c, nil
}

func list(ctx context.Context, q querier, query string, args ...any) (out []Callback, err error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read callbacks: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		c, err := scan(rows)
		if err != nil {
			return nil, fmt.Errorf("read callbacks: %w", err)
		}
		out = append(out, c)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read callbacks: %w", err)
	}
	return out, nil
}

// entry is the audit payload of a callback's state.
type entry struct {
	ID        string             `json:"callbackId"`
	Business  geo.E164           `json:"business"`
	User      permissions.User   `json:"user"`
	NotBefore time.Time          `json:"notBefore"`
	NotAfter  time.Time          `json:"notAfter"`
	Purpose   string             `json:"purpose,omitempty"`
	Agent     string             `json:"agent"`
	Order     string             `json:"order"`
	State     State              `json:"state"`
	Reason    permissions.Reason `json:"reason,omitempty"`
	CallID    string             `json:"callId,omitempty"`
	Due       time.Time          `json:"due"`
	Actor     string             `json:"actor,omitempty"`
	Event     string             `json:"event,omitempty"` // the ledger's event that ended it
}

// cause is who or what moved a callback to its state.
type cause struct {
	actor string
	event string
}

func (s *Scheduler) append(ctx context.Context, tx *audit.Tx, kind string, c Callback, by cause) error {
	subject, err := s.cfg.Ledger.EnsureSubject(ctx, tx, c.User)
	if err != nil {
		return fmt.Errorf("audit callback: %w", err)
	}
	payload := entry{
		ID: c.ID, Business: c.Business, User: c.User, NotBefore: c.NotBefore, NotAfter: c.NotAfter, Purpose: c.Purpose,
		Agent: c.Agent, Order: c.Order, State: c.State, Reason: c.Reason, CallID: c.CallID, Due: c.due,
		Actor: by.actor, Event: by.event,
	}
	if _, err := tx.Append(ctx, audit.Record{Kind: kind, Subject: subject, Payload: payload}); err != nil {
		return fmt.Errorf("audit callback: %w", err)
	}
	return nil
}

// move writes a callback that left the state from, with its audit entry. A
// callback that is in another state by now stays as it is.
func (s *Scheduler) move(ctx context.Context, tx *audit.Tx, c *Callback, from State, by cause) error {
	c.UpdatedAt = tx.Now()
	res, err := tx.ExecContext(ctx, updateState, string(c.State), string(c.Reason), c.CallID, c.due.UnixMilli(), c.UpdatedAt.UnixMilli(), c.ID, string(from))
	if err != nil {
		return fmt.Errorf("store callback: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return err
	}
	kind := "callback." + string(c.State)
	if c.State == Pending {
		kind = "callback.postponed"
	}
	return s.append(ctx, tx, kind, *c, by)
}
