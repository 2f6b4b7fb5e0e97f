package server

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/provider"
)

// replayRecord is the audit's word on a delivery that was read again.
type replayRecord struct {
	Delivery int64    `json:"delivery"`
	Account  string   `json:"account"`
	SHA256   string   `json:"sha256"`
	Actor    string   `json:"actor"`
	Was      string   `json:"was"`
	State    string   `json:"state"`
	Facts    int      `json:"facts"` // that were new
	Unknown  []string `json:"unknown,omitempty"`
	Problem  string   `json:"problem,omitempty"`
}

// replay reads a kept delivery again. Facts and notices carry ids, so what was
// recorded before is not recorded twice.
func (s *Server) replay(ctx context.Context, in *deliveryInput) (*deliveryOutput, error) {
	d, err := s.kept(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	account, ok := s.accountNamed(d.account)
	if !ok {
		return nil, problem(http.StatusConflict, reasonConflict, "The account of this delivery is not configured any more.")
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer cancel()
	said, err := decode(account, &d)
	if err != nil {
		d.state, d.problem, said = stateMalformed, mask(err.Error()), provider.Delivery{}
	} else {
		d.judge(said.Unknown)
	}
	if err := s.retake(ctx, in.ID, &d, said); err != nil {
		return nil, err
	}
	return s.getDelivery(ctx, in)
}

// kept loads a delivery that has its body.
func (s *Server) kept(ctx context.Context, id int64) (delivery, error) {
	var d delivery
	var auth, state string
	err := s.cfg.Read.QueryRowContext(ctx, sqlDeliveryReplay, id).Scan(&d.account, &d.hash, &auth, &state, &d.raw)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return d, noSuch("delivery")
	case err != nil:
		return d, fmt.Errorf("read delivery: %w", err)
	case d.raw == nil:
		return d, problem(http.StatusConflict, reasonConflict, "The body of this delivery is not kept: it was taken in whole, or is older than 30 days.")
	}
	d.auth, d.state, d.size = permissions.Auth(auth), deliveryState(state), len(d.raw)
	return d, nil
}

func (s *Server) accountNamed(name string) (Account, bool) {
	for _, a := range s.cfg.Accounts {
		if a.Name == name {
			return a, true
		}
	}
	return Account{}, false
}

// retake records what a kept delivery says as take does for a new one: a fact
// that the ledger refuses costs none of the others.
func (s *Server) retake(ctx context.Context, id int64, d *delivery, said provider.Delivery) error {
	err := s.recommit(ctx, id, d, said.Facts, said.Notices)
	if err == nil || storeFailed(err) {
		return err
	}
	facts, notices, err := s.siftAll(ctx, d, said.Facts, said.Notices)
	if err != nil {
		return err
	}
	return s.recommit(ctx, id, d, facts, notices)
}

// recommit records facts and notices and the delivery's new state, in one
// transaction.
func (s *Server) recommit(ctx context.Context, id int64, d *delivery, facts []permissions.Event, notices []permissions.Notice) error {
	return s.cfg.Log.Update(ctx, func(ctx context.Context, tx *audit.Tx) error {
		var was string
		if err := tx.QueryRowContext(ctx, sqlDeliveryState, id).Scan(&was); err != nil {
			return fmt.Errorf("read delivery: %w", err)
		}
		n, err := s.record(ctx, tx, id, facts, notices)
		if err != nil {
			return err
		}
		unknown, err := json.Marshal(d.unknown)
		if err != nil {
			return fmt.Errorf("unknown parts: %w", err)
		}
		raw := d.raw
		if d.state == stateStored {
			raw = nil
		}
		if _, err := tx.ExecContext(ctx, sqlDeliveryReplayed, string(d.state), string(unknown), d.problem, raw, id); err != nil {
			return fmt.Errorf("store delivery: %w", err)
		}
		_, err = tx.Append(ctx, audit.Record{Kind: "webhook.replayed", Payload: replayRecord{
			Delivery: id, Account: d.account, SHA256: d.hash, Actor: caller(ctx).name,
			Was: was, State: string(d.state), Facts: n, Unknown: d.unknown, Problem: d.problem,
		}})
		return wrap("audit replay", err)
	})
}

// linkedNotices copies notices with the delivery that brought them.
func linkedNotices(notices []permissions.Notice, id int64) []permissions.Notice {
	out := make([]permissions.Notice, len(notices))
	for i, n := range notices {
		n.Webhook = id
		out[i] = n
	}
	return out
}
