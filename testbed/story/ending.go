package story

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// promise is how fast "stop calls" must have every effect.
const promise = time.Second

// stop: the customer writes "stop calls" during a call, with a callback pending.
func (t *teller) stop(ctx context.Context) error {
	pending, err := t.talkAndPlan(ctx)
	if err != nil {
		return err
	}
	confirmations := t.textsTo(t.metaUser())
	began := time.Now()
	if _, err := t.Meta.Text(ctx, t.metaUser(), "Stop calls!"); err != nil {
		return fmt.Errorf("text: %w", err)
	}
	var state stopped
	err = until(ctx, soon, "the opt-out", func(ctx context.Context) (bool, error) {
		state, err = t.stopped(ctx, pending.ID, confirmations)
		return state.all(), err
	})
	took := time.Since(began)
	if err != nil {
		return fmt.Errorf("%w: %+v", err, state)
	}
	if took > promise {
		return failf("the opt-out took %s, promised is %s", took, promise)
	}
	t.figure("optOutMs", ms(took))
	t.prove("in %.0f ms: permission revoked, on the do-not-call list, pending callback cancelled, live call ended on both legs, one confirmation sent", ms(took))
	return t.refusedAfterwards(ctx, confirmations)
}

// talkAndPlan brings up a call and leaves a callback pending for later.
func (t *teller) talkAndPlan(ctx context.Context) (callback, error) {
	t.Meta.SetUser(t.metaUser(), speaksG711())
	before := len(t.Meta.Calls())
	var c call
	err := t.api.post(ctx, "/v1/calls", map[string]any{
		"business": t.MetaAcc.Business, "user": t.MetaAcc.User, "agent": toneAgent, "purpose": "order 4711",
	}, &c)
	if err != nil {
		return callback{}, err
	}
	err = until(ctx, callSoon, "the live call", func(context.Context) (bool, error) {
		w, p, ok := t.latest()
		return ok && len(t.Meta.Calls()) > before && w.State == "accepted" && p.State == "answered" && p.Packets > 10, nil
	})
	if err != nil {
		return callback{}, err
	}
	var cb callback
	err = t.api.post(ctx, "/v1/callbacks", map[string]any{
		"business": t.MetaAcc.Business, "user": t.MetaAcc.User, "agent": toneAgent, "purpose": "order 4711",
		"notBefore": time.Now().Add(10 * time.Minute).UTC(), "notAfter": time.Now().Add(20 * time.Minute).UTC(),
	}, &cb)
	return cb, err
}

// stopped is what "stop calls" must bring about.
type stopped struct {
	Revoked, DoNotCall, CallbackCancelled, CallEnded, Confirmed bool
}

func (s stopped) all() bool {
	return s.Revoked && s.DoNotCall && s.CallbackCancelled && s.CallEnded && s.Confirmed
}

func (t *teller) stopped(ctx context.Context, pending string, confirmations int) (stopped, error) {
	var (
		s  stopped
		p  permission
		cb callback
	)
	if err := t.api.get(ctx, t.MetaAcc.path(), &p); err != nil {
		return s, err
	}
	s.Revoked = p.Status == "no_permission"
	var dnc map[string]any
	err := t.api.get(ctx, "/v1/dnc/"+url.PathEscape(t.MetaAcc.User), &dnc)
	s.DoNotCall = err == nil
	if err := t.api.get(ctx, "/v1/callbacks/"+pending, &cb); err != nil {
		return s, err
	}
	s.CallbackCancelled = cb.State == "cancelled"
	w, pc, ok := t.latest()
	s.CallEnded = ok && w.State == "ended" && pc.State == "ended"
	s.Confirmed = t.textsTo(t.metaUser()) == confirmations+1
	return s, nil
}

// textsTo counts the free-form texts that Meta was asked to send to a user.
func (t *teller) textsTo(digits string) int {
	n := 0
	for _, r := range t.Meta.Requests() {
		if strings.HasSuffix(r.Path, "/messages") && r.Body["type"] == "text" && r.Body["to"] == digits {
			n++
		}
	}
	return n
}

// refusedAfterwards tries to call again: refused, audited, and not a packet leaves.
func (t *teller) refusedAfterwards(ctx context.Context, confirmations int) error {
	requests, packets, calls := len(t.Meta.Requests()), t.Meta.PacketsIn(), len(t.Meta.Calls())
	err := t.api.post(ctx, "/v1/calls", map[string]any{
		"business": t.MetaAcc.Business, "user": t.MetaAcc.User, "agent": toneAgent, "purpose": "order 4711",
	}, nil)
	var p *problem
	if !errors.As(err, &p) {
		return failf("the next attempt was not refused: %v", err)
	}
	refusals, err := t.api.entries(ctx, "decision.refused")
	if err != nil {
		return err
	}
	if len(refusals) == 0 || !strings.Contains(string(refusals[len(refusals)-1].Payload), `"`+p.Reason+`"`) {
		return failf("the audit does not show the refusal %q", p.Reason)
	}
	time.Sleep(300 * time.Millisecond) // long enough for anything wrongly sent to arrive
	if r, k, c := len(t.Meta.Requests()), t.Meta.PacketsIn(), len(t.Meta.Calls()); r != requests || k != packets || c != calls {
		return failf("something left for Meta: %d requests, %d packets, %d calls", r-requests, k-packets, c-calls)
	}
	if n := t.textsTo(t.metaUser()); n != confirmations+1 {
		return failf("%d confirmations were sent", n-confirmations)
	}
	t.prove("the next attempt is refused: HTTP %d, reason %q; audit entry %d shows the same; no request and no packet left for Meta",
		p.Status, p.Reason, refusals[len(refusals)-1].Index)
	return nil
}

// evidence: a pack is exported, verified elsewhere, and a forgery refused.
func (t *teller) evidence(ctx context.Context) error {
	var x struct {
		ID    string `json:"id"`
		State string `json:"state"`
	}
	if err := t.api.post(ctx, "/v1/exports", map[string]any{"user": t.MetaAcc.User}, &x); err != nil {
		return err
	}
	var pack []byte
	err := until(ctx, soon, "the export", func(ctx context.Context) (bool, error) {
		if err := t.api.get(ctx, "/v1/exports/"+x.ID, &x); err != nil || x.State != "done" {
			return false, err
		}
		return true, t.api.get(ctx, "/v1/exports/"+x.ID+"/content", &pack)
	})
	if err != nil {
		return err
	}
	good := filepath.Join(t.Dir, "evidence.zip")
	if err := os.WriteFile(good, pack, 0o600); err != nil {
		return fmt.Errorf("keep pack: %w", err)
	}
	out, err := t.Verify(ctx, good)
	if err != nil {
		return failf("verify refused the pack: %v: %s", err, firstLine(out))
	}
	t.prove("callctl verify, in a process of its own, accepts %s (%d bytes): %s", good, len(pack), firstLine(out))
	t.figure("evidencePackBytes", float64(len(pack)))
	return t.forgery(ctx, pack)
}

// forgery changes one byte within an entry of the pack.
func (t *teller) forgery(ctx context.Context, pack []byte) error {
	at := strings.Index(string(pack), `"granted"`)
	if at < 0 {
		return failf("the pack does not show the grant")
	}
	forged := append([]byte(nil), pack...)
	forged[at+2] ^= 0x01
	bad := filepath.Join(t.Dir, "forged.zip")
	if err := os.WriteFile(bad, forged, 0o600); err != nil {
		return fmt.Errorf("keep forgery: %w", err)
	}
	out, err := t.Verify(ctx, bad)
	if err == nil {
		return failf("verify accepted a forgery")
	}
	if !strings.Contains(out, "entry") {
		return failf("verify does not name the entry: %s", firstLine(out))
	}
	t.prove("one byte changed: refused, %s", firstLine(out))
	return nil
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}
