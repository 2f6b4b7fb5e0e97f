package story

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// api is a client of callctl's HTTP API, written from its OpenAPI document.
type api struct {
	base, token string
	client      *http.Client
}

func newAPI(cfg Config) *api {
	c := cfg.Client
	if c == nil {
		c = &http.Client{Timeout: 20 * time.Second}
	}
	return &api{base: cfg.API, token: cfg.Token, client: c}
}

// problem is an RFC 9457 answer.
type problem struct {
	Status int    `json:"status"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Reason string `json:"reason"`
}

// Error implements error.
func (p *problem) Error() string {
	return fmt.Sprintf("HTTP %d %s: %s %s", p.Status, p.Title, p.Reason, p.Detail)
}

func (a *api) do(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encode: %w", err)
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, body)
	if err != nil {
		return fmt.Errorf("request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+a.token)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := a.client.Do(req)
	if err != nil {
		return fmt.Errorf("call API: %w", err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, 64<<20))
	if err != nil {
		return fmt.Errorf("read API: %w", err)
	}
	if res.StatusCode >= http.StatusBadRequest {
		p := &problem{Status: res.StatusCode}
		_ = json.Unmarshal(raw, p) // a body that is no problem document leaves the status
		return p
	}
	switch out := out.(type) {
	case nil:
		return nil
	case *[]byte:
		*out = raw
		return nil
	default:
		if err := json.Unmarshal(raw, out); err != nil {
			return fmt.Errorf("decode %s %s: %w", method, path, err)
		}
		return nil
	}
}

func (a *api) get(ctx context.Context, path string, out any) error {
	return a.do(ctx, http.MethodGet, path, nil, out)
}

func (a *api) post(ctx context.Context, path string, in, out any) error {
	return a.do(ctx, http.MethodPost, path, in, out)
}

func (acc Account) path() string {
	return "/v1/permissions/" + url.PathEscape(acc.Business) + "/" + url.PathEscape(acc.User)
}

type permission struct {
	Status    string    `json:"status"`
	Reason    string    `json:"reason"`
	ExpiresAt time.Time `json:"expiresAt"`
	DoNotCall bool      `json:"doNotCall"`
	Verified  bool      `json:"verified"`
}

type event struct {
	ID         string    `json:"id"`
	Kind       string    `json:"kind"`
	At         time.Time `json:"at"`
	Auth       string    `json:"auth"`
	Expires    time.Time `json:"expires"`
	AuditIndex int64     `json:"auditIndex"`
}

type callback struct {
	ID     string `json:"id"`
	State  string `json:"state"`
	Reason string `json:"reason"`
	CallID string `json:"callId"`
}

type entry struct {
	Index   int64           `json:"index"`
	Time    time.Time       `json:"time"`
	Kind    string          `json:"kind"`
	Subject string          `json:"subject"`
	Payload json.RawMessage `json:"payload"`
}

type call struct {
	ID          string `json:"id"`
	State       string `json:"state"`
	Disposition string `json:"disposition"`
	Outcome     string `json:"outcome"`
	EndedBy     string `json:"endedBy"`
	Cause       string `json:"cause"`
	Direction   string `json:"direction"`
	WhatsApp    struct {
		PacketsIn uint64 `json:"packetsIn"`
		Lost      uint64 `json:"lost"`
		Codec     string `json:"codec"`
	} `json:"whatsapp"`
	Recordings []struct {
		Leg    string `json:"leg"`
		File   string `json:"file"`
		SHA256 string `json:"sha256"`
	} `json:"recordings"`
	PBX struct {
		PacketsIn uint64 `json:"packetsIn"`
		Lost      uint64 `json:"lost"`
		Codec     string `json:"codec"`
	} `json:"pbx"`
}

type list[T any] struct {
	Items      []T    `json:"items"`
	NextCursor string `json:"nextCursor"`
}

// entries returns every audit entry of one kind.
func (a *api) entries(ctx context.Context, kind string) ([]entry, error) {
	var all []entry
	cursor := ""
	for {
		var l list[entry]
		q := url.Values{"kind": {kind}, "limit": {"500"}}
		if cursor != "" {
			q.Set("cursor", cursor)
		}
		if err := a.get(ctx, "/v1/audit/entries?"+q.Encode(), &l); err != nil {
			return nil, err
		}
		all = append(all, l.Items...)
		if l.NextCursor == "" {
			return all, nil
		}
		cursor = l.NextCursor
	}
}

// events returns a pair's history.
func (a *api) events(ctx context.Context, acc Account) ([]event, error) {
	var l list[event]
	err := a.get(ctx, acc.path()+"/events", &l)
	return l.Items, err
}
