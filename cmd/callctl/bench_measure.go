package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/testbed/handset"
	"github.com/callctl/callctl/testbed/pbx"
)

// bench holds what the measurements share.
type bench struct {
	*benchCmd
	*world
	f *figures
}

// benchUser is the digits of the n-th user: Singapore mobile numbers.
func benchUser(n int) string { return strconv.Itoa(6590000000 + n) }

// benchLine is how many calls are up at once.
const benchLine = 10

// webhooks delivers signed text messages; a delivery is done when its 200 came,
// which is after the commit.
func (b *bench) webhooks(ctx context.Context) error {
	took := make([]time.Duration, 0, b.Webhooks)
	for n := range b.Webhooks {
		began := time.Now()
		if _, err := b.meta.Text(ctx, benchUser(500_000+n%500), "where is my order?"); err != nil {
			return fmt.Errorf("%w: webhook: %w", errBench, err)
		}
		took = append(took, time.Since(began))
	}
	b.f.WebhookP50, b.f.WebhookP99 = quantile(took, 0.5), quantile(took, 0.99)
	return nil
}

// decisions takes decisions with an attempt for users who allowed it.
func (b *bench) decisions(ctx context.Context) error {
	took := make([]time.Duration, 0, b.Decisions)
	ledger := b.daemon.ledger
	for n := range b.Decisions {
		pair := permissions.Pair{Business: demoMetaBusiness, User: permissions.User("+" + benchUser(600_000+n))}
		if _, err := ledger.Record(ctx, permissions.Event{
			ID: "bench/" + rand.Text(), Kind: permissions.Granted, Pair: pair, At: time.Now(), Permanent: true,
			Auth: permissions.AuthHMAC, Account: "acme-meta",
		}); err != nil {
			return fmt.Errorf("%w: grant: %w", errBench, err)
		}
		began := time.Now()
		t, d, err := ledger.Authorize(ctx, permissions.Attempt{Pair: pair, CallID: rand.Text()})
		took = append(took, time.Since(began))
		if err != nil || t == nil {
			return fmt.Errorf("%w: authorize: %s: %w", errBench, d.Reason, err)
		}
		if err := b.daemon.log.Update(ctx, func(ctx context.Context, tx *audit.Tx) error {
			return t.Settle(ctx, tx, permissions.OutcomeCancelled)
		}); err != nil {
			return fmt.Errorf("%w: settle: %w", errBench, err)
		}
	}
	b.f.DecisionP50, b.f.DecisionP99 = quantile(took, 0.5), quantile(took, 0.99)
	return nil
}

// calls places calls, ten at a time, each answered, talked and hung up, and
// counts goroutines and files before and after. The first call is not counted:
// it opens what is kept for good.
func (b *bench) calls(ctx context.Context) error {
	for n := range b.Calls + 1 {
		if err := b.allow(ctx, benchUser(n)); err != nil {
			return err
		}
	}
	if _, err := b.place(ctx, benchUser(b.Calls), time.Second); err != nil {
		return err
	}
	if err := b.settle(ctx); err != nil {
		return err
	}
	var err error
	if b.f.GoroutinesAt, b.f.FilesAt, err = leftovers(); err != nil {
		return err
	}
	took := make([]time.Duration, b.Calls)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(benchLine)
	for n := range b.Calls {
		g.Go(func() (err error) {
			took[n], err = b.place(gctx, benchUser(n), time.Second)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if err := b.settle(ctx); err != nil {
		return err
	}
	b.f.APIToGraphP50, b.f.APIToGraphP99 = quantile(took, 0.5), quantile(took, 0.99)
	b.f.Calls, b.f.SettleSeconds = b.Calls, b.Settle.Seconds()
	b.f.Goroutines, b.f.Files, err = leftovers()
	return err
}

func (b *bench) settle(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(b.Settle):
	}
	http.DefaultClient.CloseIdleConnections()
	runtime.GC()
	return nil
}

func leftovers() (goroutines, files int, err error) {
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0, 0, fmt.Errorf("%w: count files: %w", errBench, err)
	}
	return runtime.NumGoroutine(), len(fds), nil
}

func (b *bench) allow(ctx context.Context, digits string) error {
	b.meta.SetUser(digits, handset.Behaviour{Then: "answer", Codecs: []string{"pcmu"}, ToneHz: 440})
	if err := b.meta.Reply(ctx, digits, true, true); err != nil {
		return fmt.Errorf("%w: reply: %w", errBench, err)
	}
	return nil
}

// place makes one call over the API, lets it talk, has the user hang up and
// waits for the record. It returns the time from sending the API request to the
// arrival of the Graph request.
func (b *bench) place(ctx context.Context, digits string, talk time.Duration) (time.Duration, error) {
	began := time.Now()
	id, err := b.post(ctx, digits)
	if err != nil {
		return 0, err
	}
	wacid, at, err := b.connected(ctx, digits)
	if err != nil {
		return 0, err
	}
	time.Sleep(talk)
	if err := b.meta.HangUp(wacid); err != nil {
		return 0, fmt.Errorf("%w: hang up: %w", errBench, err)
	}
	return at.Sub(began), b.recorded(ctx, id)
}

func (b *bench) post(ctx context.Context, digits string) (string, error) {
	body, err := json.Marshal(map[string]any{
		"business": demoMetaBusiness, "user": "+" + digits, "agent": demoAgent, "order": "user_first", "purpose": "bench",
	})
	if err != nil {
		return "", fmt.Errorf("%w: %w", errBench, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.api+"/v1/calls", bytes.NewReader(body))
	if err != nil {
		return "", fmt.Errorf("%w: %w", errBench, err)
	}
	req.Header.Set("Authorization", "Bearer "+b.token)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", fmt.Errorf("%w: place call: %w", errBench, err)
	}
	defer func() { _ = res.Body.Close() }()
	var c struct {
		ID     string `json:"id"`
		Reason string `json:"reason"`
	}
	if err := json.NewDecoder(res.Body).Decode(&c); err != nil || res.StatusCode >= http.StatusBadRequest {
		return "", fmt.Errorf("%w: place call: HTTP %d %s", errBench, res.StatusCode, c.Reason)
	}
	return c.ID, nil
}

// connected waits until the user's call is accepted and says when Graph got it.
func (b *bench) connected(ctx context.Context, digits string) (wacid string, at time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for ; ctx.Err() == nil; time.Sleep(5 * time.Millisecond) {
		for _, c := range b.meta.Calls() {
			if c.User == digits && c.State == "accepted" {
				wacid = c.ID
			}
		}
		if wacid == "" {
			continue
		}
		for _, r := range b.meta.Requests() {
			if strings.HasSuffix(r.Path, "/calls") && r.Body["action"] == "connect" && r.Body["to"] == digits {
				at = r.Time
			}
		}
		return wacid, at, nil
	}
	return "", time.Time{}, fmt.Errorf("%w: the call was not answered", errBench)
}

// recorded waits for the call's record.
func (b *bench) recorded(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for ; ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
		if _, ok, err := b.daemon.bridge.CDR(ctx, id); err != nil || ok {
			return err
		}
	}
	return fmt.Errorf("%w: the call left no record", errBench)
}

// longCall counts the packets of one long call at its two far ends: what each
// end sent while both heard each other must have arrived, without a gap.
func (b *bench) longCall(ctx context.Context) error {
	digits := benchUser(900_000)
	b.pbx.SetExtension(demoAgent, pbx.Extension{Then: "answer", Codecs: []string{"pcmu"}, ToneHz: 1000})
	if err := b.allow(ctx, digits); err != nil {
		return err
	}
	if _, err := b.place(ctx, digits, b.Duration); err != nil {
		return err
	}
	calls, agents := b.meta.Calls(), b.pbx.Calls()
	user, agent := calls[len(calls)-1].Handset.Heard(), agents[len(agents)-1]
	b.f.CallSeconds = b.Duration.Seconds()
	b.f.ToUser, b.f.ToAgent = uint64(user.Packets), uint64(agent.Packets)
	b.f.Lost = uint64(user.Lost + agent.Lost)
	if enough := uint64(b.Duration.Seconds() * 45); b.f.ToUser < enough || b.f.ToAgent < enough {
		return fmt.Errorf("%w: only %d and %d packets arrived", errBench, b.f.ToUser, b.f.ToAgent)
	}
	return nil
}

// binary is the size of this program.
func (b *bench) binary(context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("%w: %w", errBench, err)
	}
	info, err := os.Stat(filepath.Clean(self))
	if err != nil {
		return fmt.Errorf("%w: %w", errBench, err)
	}
	b.f.BinaryBytes = info.Size()
	return nil
}
