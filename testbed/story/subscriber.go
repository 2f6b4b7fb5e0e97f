package story

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
)

// subscriber is the company's own system: it takes callctl's outgoing webhooks
// and believes only what is signed (Standard Webhooks).
type subscriber struct {
	server *http.Server
	url    string
	done   chan struct{}

	mu        sync.Mutex
	key       []byte
	types     []string // of the events whose signature held, in order of arrival
	forgeries int
}

// subscribe starts the subscriber and subscribes it to what bears on permission.
func (t *teller) subscribe(ctx context.Context) (*subscriber, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("subscriber: %w", err)
	}
	s := &subscriber{url: "http://" + l.Addr().String() + "/callctl", done: make(chan struct{})}
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: soon}
	go func() {
		defer close(s.done)
		_ = s.server.Serve(l) // it ends by close, which waits for it
	}()
	var made struct {
		Secret string `json:"secret"`
	}
	err = t.api.post(ctx, "/v1/webhooks", map[string]any{"url": s.url, "kinds": []string{"permission."}}, &made)
	if err == nil {
		err = s.trust(made.Secret)
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *subscriber) trust(secret string) error {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil || len(key) < 24 {
		return failf("the subscription's secret is not one of Standard Webhooks")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.key = key
	return nil
}

func (s *subscriber) close() error {
	err := s.server.Close()
	<-s.done
	if err != nil {
		return fmt.Errorf("close subscriber: %w", err)
	}
	return nil
}

// ServeHTTP implements http.Handler.
func (s *subscriber) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	var e struct {
		Type string `json:"type"`
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil || !s.signed(r.Header, raw) || json.Unmarshal(raw, &e) != nil {
		s.forgeries++
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	s.types = append(s.types, e.Type)
}

func (s *subscriber) signed(h http.Header, raw []byte) bool {
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(h.Get("Webhook-Id") + "." + h.Get("Webhook-Timestamp") + "."))
	mac.Write(raw)
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	return hmac.Equal([]byte(want), []byte(h.Get("Webhook-Signature")))
}

// heard waits until an event came n times, signed.
func (s *subscriber) heard(ctx context.Context, event string, n int) error {
	return until(ctx, soon, "the signed webhook "+event, func(context.Context) (bool, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.forgeries > 0 {
			return false, failf("a webhook came with a wrong signature")
		}
		got := 0
		for _, t := range s.types {
			if t == event {
				got++
			}
		}
		return got >= n, nil
	})
}
