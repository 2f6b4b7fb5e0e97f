package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// daemonFlags say which daemon a command talks to.
type daemonFlags struct {
	URL       string        `default:"http://127.0.0.1:8080" env:"CALLCTL_URL" group:"daemon" help:"Address of the daemon's API."`
	Token     string        `env:"CALLCTL_TOKEN" group:"daemon" help:"API token." xor:"token"`
	TokenFile string        `group:"daemon" help:"File with the API token; a newline at its end is ignored." type:"path" xor:"token"`
	Timeout   time.Duration `default:"30s" group:"daemon" help:"Longest wait for one answer."`
}

// maxAnswer bounds what a command reads as JSON.
const maxAnswer = 64 << 20

// refusal is a problem document (RFC 9457) that the daemon answered with.
type refusal struct {
	Status     int       `json:"status"`
	Reason     string    `json:"reason"`
	Title      string    `json:"title"`
	Detail     string    `json:"detail"`
	RetryAfter time.Time `json:"retryAfter"`
	DecisionID string    `json:"decisionId"`
	Errors     []struct {
		Location string `json:"location"`
		Message  string `json:"message"`
	} `json:"errors"`
	Import json.RawMessage `json:"import"` // the report of a refused import
}

// Error implements error.
func (r *refusal) Error() string {
	reason, detail := r.Reason, r.Detail
	if reason == "" {
		reason = strconv.Itoa(r.Status)
	}
	if detail == "" {
		detail = r.Title
	}
	verb := "refused"
	if r.Status >= http.StatusInternalServerError {
		verb = "failed"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s: %s", verb, printable(reason), printable(detail))
	for _, e := range r.Errors {
		fmt.Fprintf(&b, "\n  %s: %s", printable(e.Location), printable(e.Message))
	}
	if r.DecisionID != "" {
		fmt.Fprintf(&b, "\n  decision: %s", printable(r.DecisionID))
	}
	return b.String()
}

// Unwrap sorts the refusal for the exit code.
func (r *refusal) Unwrap() error {
	if r.Reason == "import_refused" {
		return nil // the command line was right, the list is not
	}
	switch r.Status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return errTryAgain
	case http.StatusUnprocessableEntity, http.StatusBadRequest:
		return errUsage
	}
	return nil
}

// hint is what the person can do.
func (r *refusal) hint() string {
	switch {
	case r.Status == http.StatusUnauthorized:
		return "give the API token with --token-file, --token or CALLCTL_TOKEN"
	case !r.RetryAfter.IsZero():
		return "not before " + r.RetryAfter.UTC().Format(time.RFC3339)
	}
	return ""
}

// client talks to a daemon.
type client struct {
	base  *url.URL
	token string
	http  *http.Client
}

func (f *daemonFlags) client() (*client, error) {
	base, err := url.Parse(strings.TrimRight(f.URL, "/"))
	if err != nil || (base.Scheme != "http" && base.Scheme != "https") || base.Host == "" {
		return nil, usagef("--url is not an http(s) address")
	}
	token := f.Token
	if f.TokenFile != "" {
		b, err := os.ReadFile(f.TokenFile)
		if err != nil {
			return nil, usagef("--token-file: %s", reasonOf(err))
		}
		token = strings.TrimSpace(string(b))
	}
	return &client{base: base, token: token, http: &http.Client{
		Timeout: f.Timeout,
		// The token goes to the daemon that was named and nowhere else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// call sends a request and returns the answer's body. in, when not nil, is sent
// as JSON. A POST carries an Idempotency-Key, so a repeated one does nothing new.
func (c *client) call(ctx context.Context, method, path string, query url.Values, in any) (json.RawMessage, error) {
	res, err := c.do(ctx, method, path, query, in)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("%w: read the answer: %w", errTryAgain, err)
	}
	return raw, nil
}

// do is call without reading the body of a good answer, which the caller closes.
func (c *client) do(ctx context.Context, method, path string, query url.Values, in any) (*http.Response, error) {
	req, err := c.request(ctx, method, path, query, in)
	if err != nil {
		return nil, err
	}
	res, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if failed, ok := errors.AsType[*url.Error](err); ok {
			err = failed.Err // without the address, which may hold a number
		}
		return nil, withHint(fmt.Errorf("%w: no answer from %s: %w", errTryAgain, c.base.Host, err),
			"is the daemon running, and is --url (CALLCTL_URL) its API address?")
	}
	if res.StatusCode < 300 {
		return res, nil
	}
	defer res.Body.Close()
	return nil, problemOf(res)
}

// content is a request body that is no JSON.
type content struct {
	kind string // media type
	body []byte
}

// contentOf is what a request carries for in: nothing, content as it is, and
// everything else as JSON.
func contentOf(in any) (content, error) {
	switch in := in.(type) {
	case nil:
		return content{}, nil
	case content:
		return in, nil
	}
	b, err := json.Marshal(in)
	if err != nil {
		return content{}, fmt.Errorf("encode request: %w", err)
	}
	return content{kind: "application/json", body: b}, nil
}

func (c *client) request(ctx context.Context, method, path string, query url.Values, in any) (*http.Request, error) {
	u := c.base.JoinPath(path)
	u.RawQuery = query.Encode()
	sent, err := contentOf(in)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(sent.body))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	if in != nil {
		req.Header.Set("Content-Type", sent.kind)
	}
	if method == http.MethodPost {
		req.Header.Set("Idempotency-Key", rand.Text())
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	return req, nil
}

// problemOf reads what a daemon, or a proxy before it, said no with.
func problemOf(res *http.Response) error {
	r := &refusal{Title: http.StatusText(res.StatusCode)}
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if kind == "application/problem+json" {
		if err := json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(r); err != nil {
			r.Detail = "the problem document is not readable"
		}
	}
	r.Status = res.StatusCode
	return withHint(r, r.hint())
}

// page is one page of a listing.
type page struct {
	Items      []json.RawMessage `json:"items"`
	NextCursor string            `json:"nextCursor"`
}

// maxPage is the most that one request asks for.
const maxPage = 200

// all follows the pages of a listing until it ends or limit items are there; 0
// means all.
func (c *client) all(ctx context.Context, path string, query url.Values, limit int) ([]json.RawMessage, error) {
	var items []json.RawMessage
	for {
		size := maxPage
		if limit > 0 {
			size = min(maxPage, limit-len(items))
		}
		query.Set("limit", strconv.Itoa(size))
		raw, err := c.call(ctx, http.MethodGet, path, query, nil)
		if err != nil {
			return nil, err
		}
		var p page
		if err := json.Unmarshal(raw, &p); err != nil {
			return nil, fmt.Errorf("the answer is no listing: %w", err)
		}
		items = append(items, p.Items...)
		if p.NextCursor == "" || len(p.Items) == 0 || (limit > 0 && len(items) >= limit) {
			return items, nil
		}
		query.Set("cursor", p.NextCursor)
	}
}

// print sends one request and prints the thing that it answers with. An answer
// without a body prints nothing.
func (f *daemonFlags) print(ctx context.Context, t *terminal, method, path string, in any, columns []column) error {
	api, err := f.client()
	if err != nil {
		return err
	}
	raw, err := api.call(ctx, method, path, nil, in)
	if err != nil || len(bytes.TrimSpace(raw)) == 0 {
		return err
	}
	return t.object(raw, columns)
}

// printAll prints a listing.
func (f *daemonFlags) printAll(ctx context.Context, t *terminal, path string, query url.Values, limit int, columns []column) error {
	api, err := f.client()
	if err != nil {
		return err
	}
	items, err := api.all(ctx, path, query, limit)
	if err != nil {
		return err
	}
	return t.list(items, columns)
}
