package provider

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Limits of a request to a provider's API.
const (
	// DefaultTimeout is how long one request may take when API.Timeout is zero.
	DefaultTimeout = 15 * time.Second
	// MaxAnswer is the largest answer that is read, in bytes.
	MaxAnswer = 1 << 20
)

// Errors of API.
var (
	// ErrBaseURL is returned by NewAPI for a base URL that must not be used.
	ErrBaseURL = errors.New("provider: base URL must be https, or http to a loopback address")
	// ErrToken is returned by NewAPI for a token that is empty or no header value.
	ErrToken = errors.New("provider: API token is empty or not printable")
	// ErrAnswer is wrapped when the provider's answer cannot be read. Whether the
	// request took effect is then unknown.
	ErrAnswer = errors.New("provider: unreadable answer")
	// ErrRequest is wrapped when a request cannot be made from what was asked.
	ErrRequest = errors.New("provider: request cannot be made")
)

// API sends requests with a bearer token to one provider. It never repeats a
// request and never follows a redirect, which would carry the request elsewhere.
// Safe for concurrent use.
type API struct {
	client  *http.Client
	base    string
	token   string
	timeout time.Duration
}

// Answer is the provider's response.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// NewAPI checks base and token. A nil client is a new one; timeout 0 is
// DefaultTimeout.
func NewAPI(client *http.Client, base, token string, timeout time.Duration) (*API, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, ErrBaseURL
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return nil, ErrBaseURL
	}
	if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, ErrToken
	}
	own := http.Client{}
	if client != nil {
		own = *client
	}
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	return &API{client: &own, base: strings.TrimRight(base, "/"), token: token, timeout: timeout}, nil
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// Post sends body as JSON to base+path. See Get for what it returns.
func (a *API) Post(ctx context.Context, path string, body any) (Answer, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return Answer{}, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	return a.do(ctx, http.MethodPost, path, raw)
}

// Get asks for base+path. Any HTTP status is an Answer; an error means that no
// whole answer came, and for want of one nobody knows what the provider did.
// Errors name neither path nor query, which may hold a phone number.
func (a *API) Get(ctx context.Context, path string) (Answer, error) {
	return a.do(ctx, http.MethodGet, path, nil)
}

func (a *API) do(ctx context.Context, method, path string, body []byte) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, bytes.NewReader(body))
	if err != nil {
		return Answer{}, fmt.Errorf("%w: address", ErrRequest)
	}
	req.Header.Set("Authorization", "Bearer "+a.token)
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return Answer{}, fmt.Errorf("provider: %s: %w", method, withoutURL(err))
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, MaxAnswer+1))
	if err != nil {
		return Answer{}, fmt.Errorf("%w: %w", ErrAnswer, withoutURL(err))
	}
	if len(raw) > MaxAnswer {
		return Answer{}, fmt.Errorf("%w: larger than %d bytes", ErrAnswer, MaxAnswer)
	}
	return Answer{Status: resp.StatusCode, Header: resp.Header, Body: raw}, nil
}

// withoutURL drops the address that net/http puts before its errors.
func withoutURL(err error) error {
	if at, ok := errors.AsType[*url.Error](err); ok {
		return at.Err
	}
	return err
}

// OK tells whether the status is one of success.
func (a Answer) OK() bool { return a.Status >= 200 && a.Status < 300 }

// RetryAfter is how long the provider asks to wait (RFC 9110 section 10.2.3), 0
// when it does not say.
func (a Answer) RetryAfter(now time.Time) time.Duration {
	text := strings.TrimSpace(a.Header.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(text)
	if err != nil || !at.After(now) {
		return 0
	}
	return at.Sub(now)
}
