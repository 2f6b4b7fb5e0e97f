package server

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/permissions"
)

func TestISOPeriod(t *testing.T) {
	for in, want := range map[string]string{
		"24h0m0s": "PT24H", "168h0m0s": "P7D", "720h0m0s": "P30D", "1h0m0s": "PT1H", "1h30m0s": "PT90M", "90s": "PT90S", "cycle": "cycle", "": "",
	} {
		require.Equal(t, want, isoPeriod(in), in)
	}
}

func TestLimits(t *testing.T) {
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	got := limits([]permissions.Rule{
		{Name: "do_not_call", Allow: true},
		{Name: "connected_calls", Allow: false, RetryAt: at, Inputs: map[string]string{"max": "100", "used": "100", "period": "24h0m0s"}},
		{Name: "calls_per_grant", Allow: true, Inputs: map[string]string{"max": "unlimited", "used": "3"}},
		{Name: "request_limit", Allow: true, RetryAt: at, Inputs: map[string]string{"max": "2", "used": "1", "period": "168h0m0s"}},
	})
	require.Equal(t, []Limit{
		{Rule: "connected_calls", Period: "PT24H", Max: 100, Used: 100, ResetsAt: at},
		{Rule: "request_limit", Period: "P7D", Max: 2, Used: 1},
	}, got)
}

func TestMask(t *testing.T) {
	for in, want := range map[string]string{
		"call +6591234567 now": "call … now", "65 9123 4567": "…", "(#138009)": "(#…)", "HTTP 404 after 3 tries": "HTTP 404 after 3 tries",
		"+65-9123-4567x": "…x",
	} {
		require.Equal(t, want, mask(in))
	}
}

// addressed is a connection from some address.
type addressed struct {
	net.Conn

	addr   string
	closed bool
}

func (c *addressed) RemoteAddr() net.Addr { a, _ := net.ResolveTCPAddr("tcp", c.addr); return a }
func (c *addressed) Close() error         { c.closed = true; return nil }

func TestConnectionLimits(t *testing.T) {
	l := &connLimit{most: 10, perHost: 2, hosts: map[string]int{}, open: map[net.Conn]string{}}
	open := func(addr string) *addressed {
		c := &addressed{addr: addr}
		l.state(c, http.StateNew)
		return c
	}
	first := open("192.0.2.1:1")
	require.False(t, first.closed)
	require.False(t, open("192.0.2.1:2").closed)
	third := open("192.0.2.1:3")
	require.True(t, third.closed, "a third from one host")
	l.state(third, http.StateClosed)
	l.state(first, http.StateClosed)
	require.False(t, open("192.0.2.1:4").closed, "a place is free again")
	for i := range 8 {
		require.False(t, open("127.0.0.1:"+string(rune('1'+i))).closed, "loopback is not bounded by host")
	}
	require.True(t, open("[2001:db8::1]:1").closed, "more than in all")
}

// A client that sends its headers slowly is cut off.
func TestHTTPServerTimeouts(t *testing.T) {
	s := HTTPServer("", http.NotFoundHandler())
	require.Equal(t, 5*time.Second, s.ReadHeaderTimeout)
	require.Positive(t, s.ReadTimeout)
	require.Positive(t, s.WriteTimeout)
	require.Equal(t, time.Minute, s.IdleTimeout)
	s.ReadHeaderTimeout = 50 * time.Millisecond
	var lc net.ListenConfig
	ln, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- s.Serve(ln) }()
	var d net.Dialer
	c, err := d.DialContext(t.Context(), "tcp", ln.Addr().String())
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	_, err = c.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "))
	require.NoError(t, err)
	require.NoError(t, c.SetReadDeadline(time.Now().Add(5*time.Second)))
	b := make([]byte, 512)
	n, err := c.Read(b)
	if err == nil {
		require.True(t, strings.HasPrefix(string(b[:n]), "HTTP/1.1 408") || strings.HasPrefix(string(b[:n]), "HTTP/1.1 400"), string(b[:n]))
	} else {
		require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "the server never closed")
	}
	require.NoError(t, s.Shutdown(t.Context()))
	require.ErrorIs(t, <-done, http.ErrServerClosed)
}

// A full house answers 503 after a while, and a place given back is taken.
func TestIntake(t *testing.T) {
	in := intake{small: make(chan struct{}, 1), large: make(chan struct{}, 1), patience: 10 * time.Millisecond}
	admit := func(size int64) (func(), bool) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
		r.ContentLength = size
		return in.admit(httptest.NewRecorder(), r)
	}
	leave, ok := admit(100)
	require.True(t, ok)
	_, ok = admit(smallBody)
	require.False(t, ok)
	_, ok = admit(-1)
	require.True(t, ok, "a body of unknown length takes a large place")
	_, ok = admit(smallBody + 1)
	require.False(t, ok)
	leave()
	_, ok = admit(0)
	require.True(t, ok)
}

func TestNewRefuses(t *testing.T) {
	_, err := New(Config{})
	require.ErrorIs(t, err, ErrConfig)
	_, err = credentials([]Token{{Name: "a", Secret: "short"}})
	require.ErrorIs(t, err, ErrConfig)
	_, err = credentials([]Token{{Name: "a", Secret: "long enough to be used", Scopes: []string{"root"}}})
	require.ErrorIs(t, err, ErrConfig)
	_, err = credentials([]Token{{Name: "a", Secret: "long enough to be used"}, {Name: "a", Secret: "long enough to be used 2"}})
	require.ErrorIs(t, err, ErrConfig)
}

func FuzzCheckJSON(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":[1,{"b":null}]}`, `{"a":1,"a":2}`, `[`, ``, `1 2`, `{"a":{"b":` + strings.Repeat("[", 100)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if checkJSON(raw) != nil {
			return
		}
		require.True(t, json.Valid(raw), "accepted what encoding/json refuses")
	})
}
