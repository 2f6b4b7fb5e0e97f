package server

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Delivery is a provider's webhook delivery as kept.
type Delivery struct {
	ID         int64     `json:"id"`
	Account    string    `json:"account"`
	State      string    `json:"state" enum:"stored,unknown,malformed,quarantined"`
	Auth       string    `json:"auth" doc:"How it was authenticated"`
	ReceivedAt time.Time `json:"receivedAt"`
	SHA256     string    `json:"sha256"`
	Size       int       `json:"size" doc:"Bytes"`
	Repeats    int64     `json:"repeats" doc:"How often the same body came again"`
	RepeatedAt time.Time `json:"repeatedAt,omitzero"`
	Unknown    []string  `json:"unknown,omitempty" doc:"Parts that were stored and not understood"`
	Problem    string    `json:"problem,omitempty" doc:"Why it was not taken in whole"`
}

type deliveriesInput struct {
	Limit   int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
	Cursor  string `query:"cursor" maxLength:"20"`
	State   string `query:"state" enum:"stored,unknown,malformed,quarantined"`
	Account string `query:"account" maxLength:"128"`
}

type deliveryInput struct {
	ID int64 `path:"id" minimum:"1"`
}

// KeptDelivery is a delivery with its body.
type KeptDelivery struct {
	Delivery

	Body string `json:"body,omitempty" doc:"As text; absent for a delivery that was taken in whole, and after 30 days. The exact bytes are under /content"`
}

type deliveryOutput struct{ Body KeptDelivery }

func (s *Server) deliveryRoutes() {
	register(s, operation{
		method: http.MethodGet, path: "/v1/deliveries", id: "listDeliveries", tag: "Deliveries", scope: ScopeAudit,
		summary: "Webhook deliveries of the providers, newest first",
	}, s.listDeliveries)
	register(s, operation{
		method: http.MethodGet, path: "/v1/deliveries/{id}", id: "getDelivery", tag: "Deliveries", scope: ScopeAudit,
		summary: "One delivery, with its body where it was not taken in whole", description: "Personal data.",
	}, s.getDelivery)
	register(s, operation{
		method: http.MethodGet, path: "/v1/deliveries/{id}/content", id: "getDeliveryContent", tag: "Deliveries", scope: ScopeAudit,
		summary: "The exact body of a delivery that was not taken in whole", produces: "application/octet-stream",
		description: "Kept for 30 days, for deliveries that are unknown, malformed or quarantined; personal data.",
	}, s.deliveryContent)
	register(s, operation{
		method: http.MethodPost, path: "/v1/deliveries/{id}/replay", id: "replayDelivery", tag: "Deliveries", scope: ScopeWrite,
		rerun: true, summary: "Read a kept delivery again, with what callctl understands today",
		description: "What it says becomes facts as if it had just come, once; calls of long ago are not taken up again. The answer says what is still not understood. 409 when its body is not kept.",
	}, s.replay)
}

func (s *Server) listDeliveries(ctx context.Context, in *deliveriesInput) (*listOutput[Delivery], error) {
	before := int64(math.MaxInt64)
	if in.Cursor != "" {
		var err error
		if before, err = strconv.ParseInt(in.Cursor, 10, 64); err != nil {
			return nil, badField("query.cursor", "not a cursor of this list")
		}
	}
	found, err := s.findDeliveries(ctx, in, before)
	if err != nil {
		return nil, err
	}
	out := &listOutput[Delivery]{}
	items, more := cut(found, in.Limit)
	if out.Body.Items = orEmpty(items); more {
		out.Body.NextCursor = strconv.FormatInt(items[len(items)-1].ID, 10)
	}
	return out, nil
}

// findDeliveries reads one more than a page holds. Those in a state that a person
// looks at are few among many, and are read by account.
func (s *Server) findDeliveries(ctx context.Context, in *deliveriesInput, before int64) ([]Delivery, error) {
	if in.State == "" || in.State == string(stateStored) {
		return s.queryDeliveries(ctx, sqlDeliveryList, before, in.State, in.State, in.Account, in.Account, in.Limit+1)
	}
	accounts := []string{in.Account}
	if in.Account == "" {
		var err error
		if accounts, err = s.keptAccounts(ctx); err != nil {
			return nil, err
		}
	}
	var found []Delivery
	for _, account := range accounts {
		some, err := s.queryDeliveries(ctx, sqlDeliveryKept, account, in.State, before, in.Limit+1)
		if err != nil {
			return nil, err
		}
		found = append(found, some...)
	}
	slices.SortFunc(found, func(a, b Delivery) int { return cmp.Compare(b.ID, a.ID) })
	return found[:min(len(found), in.Limit+1)], nil
}

func (s *Server) queryDeliveries(ctx context.Context, query string, args ...any) (found []Delivery, err error) {
	rows, err := s.cfg.Read.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("list deliveries: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		d, err := scanDelivery(rows)
		if err != nil {
			return nil, err
		}
		found = append(found, d)
	}
	return found, wrap("list deliveries", rows.Err())
}

// keptAccounts are the accounts, also those of earlier configurations, that have
// deliveries that were not taken in whole.
func (s *Server) keptAccounts(ctx context.Context) (accounts []string, err error) {
	rows, err := s.cfg.Read.QueryContext(ctx, sqlDeliveryAccounts)
	if err != nil {
		return nil, fmt.Errorf("list accounts: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var account string
		if err := rows.Scan(&account); err != nil {
			return nil, fmt.Errorf("list accounts: %w", err)
		}
		accounts = append(accounts, account)
	}
	return accounts, wrap("list accounts", rows.Err())
}

func (s *Server) getDelivery(ctx context.Context, in *deliveryInput) (*deliveryOutput, error) {
	d, err := scanDelivery(s.cfg.Read.QueryRowContext(ctx, sqlDeliveryGet, in.ID))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, noSuch("delivery")
	}
	if err != nil {
		return nil, err
	}
	out := &deliveryOutput{Body: KeptDelivery{Delivery: d}}
	var raw []byte
	err = s.cfg.Read.QueryRowContext(ctx, sqlDeliveryRaw, in.ID).Scan(&raw)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("read delivery: %w", err)
	}
	out.Body.Body = strings.ToValidUTF8(string(raw), "\uFFFD")
	return out, nil
}

func scanDelivery(row interface{ Scan(dest ...any) error }) (Delivery, error) {
	var d Delivery
	var received, repeated int64
	var unknown string
	if err := row.Scan(&d.ID, &d.Account, &d.SHA256, &d.Auth, &d.State, &received, &d.Size, &d.Repeats, &repeated, &unknown, &d.Problem); err != nil {
		return d, fmt.Errorf("read delivery: %w", err)
	}
	d.ReceivedAt = time.UnixMilli(received).UTC()
	if repeated > 0 {
		d.RepeatedAt = time.UnixMilli(repeated).UTC()
	}
	return d, wrap("unknown parts", json.Unmarshal([]byte(unknown), &d.Unknown))
}

func (s *Server) deliveryContent(ctx context.Context, in *deliveryInput) (*huma.StreamResponse, error) {
	var raw []byte
	err := s.cfg.Read.QueryRowContext(ctx, sqlDeliveryRaw, in.ID).Scan(&raw)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, noSuch("body")
	}
	if err != nil {
		return nil, fmt.Errorf("read delivery: %w", err)
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		ctx.SetHeader("Content-Type", "application/octet-stream")
		ctx.SetStatus(http.StatusOK)
		_, _ = ctx.BodyWriter().Write(raw)
	}}, nil
}
