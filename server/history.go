package server

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/callctl/callctl/permissions"
)

// PermissionEvent is a fact of a pair's history and the webhook that brought it.
type PermissionEvent struct {
	permissions.Recorded

	Source *EventSource `json:"source,omitempty" doc:"The delivery that brought it; absent for what no webhook brought"`
}

// EventSource is the delivery behind a fact.
type EventSource struct {
	Delivery   int64     `json:"delivery" doc:"GET /v1/deliveries/{id}"`
	Account    string    `json:"account"`
	ReceivedAt time.Time `json:"receivedAt"`
	SHA256     string    `json:"sha256" doc:"Of the raw body"`
	Auth       string    `json:"auth" doc:"How the delivery was authenticated"`
	State      string    `json:"state" enum:"stored,unknown,malformed,quarantined"`
}

type historyInput struct {
	PairParams
	PageParams
}

// listPermissionEvents pages the history by audit index: it only grows at its
// end, so a cursor never skips or repeats a fact.
func (s *Server) listPermissionEvents(ctx context.Context, in *historyInput) (*listOutput[PermissionEvent], error) {
	pair, err := s.knownPair(ctx, "path", in.Business, in.User)
	if err != nil {
		return nil, err
	}
	after := int64(-1)
	if in.Cursor != "" {
		if after, err = strconv.ParseInt(in.Cursor, 10, 64); err != nil {
			return nil, badField("query.cursor", "not a cursor of this list")
		}
	}
	events, err := s.cfg.Ledger.Events(ctx, pair)
	if err != nil {
		return nil, err
	}
	start := 0
	for start < len(events) && events[start].AuditIndex <= after {
		start++
	}
	page, more := cut(events[start:], in.Limit)
	out := &listOutput[PermissionEvent]{Body: list[PermissionEvent]{Items: make([]PermissionEvent, 0, len(page))}}
	if more {
		out.Body.NextCursor = strconv.FormatInt(page[len(page)-1].AuditIndex, 10)
	}
	sources, err := s.sources(ctx, page)
	for _, e := range page {
		out.Body.Items = append(out.Body.Items, PermissionEvent{Recorded: e, Source: sources[e.Webhook]})
	}
	return out, err
}

// sources reads the deliveries behind some facts.
func (s *Server) sources(ctx context.Context, events []permissions.Recorded) (map[int64]*EventSource, error) {
	found := map[int64]*EventSource{}
	for _, e := range events {
		if _, seen := found[e.Webhook]; seen || e.Webhook == 0 {
			continue
		}
		source := &EventSource{Delivery: e.Webhook}
		var received int64
		err := s.cfg.Read.QueryRowContext(ctx, sqlDeliverySource, e.Webhook).
			Scan(&source.Account, &source.SHA256, &source.Auth, &source.State, &received)
		switch {
		case errors.Is(err, sql.ErrNoRows): // only the newest of those that were not taken in whole are kept
			source = nil
		case err != nil:
			return nil, fmt.Errorf("read delivery: %w", err)
		default:
			source.ReceivedAt = time.UnixMilli(received).UTC()
		}
		found[e.Webhook] = source
	}
	return found, nil
}
