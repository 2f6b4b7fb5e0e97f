package story

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/callctl/callctl/testbed/handset"
	"github.com/callctl/callctl/testbed/meta"
	"github.com/callctl/callctl/testbed/pbx"
	"github.com/callctl/callctl/testbed/tone"
)

const (
	userHz  = 440.0  // what the customer's phone plays
	agentHz = 1000.0 // what the agent's phone plays
	audible = 0.8    // share of the energy at the tone that counts as hearing it

	toneAgent  = "1001" // extension that speaks G.711
	opusAgent  = "1002" // extension that speaks Opus
	opusFrames = 600    // 12 s
	opusEnough = 100    // frames that must arrive each way

	callSoon = 10 * time.Second
)

func (t *teller) metaUser() string { return strings.TrimPrefix(t.MetaAcc.User, "+") }

func speaksG711() handset.Behaviour {
	return handset.Behaviour{RingFor: 200 * time.Millisecond, Then: "answer", Codecs: []string{"pcmu"}, ToneHz: userHz}
}

// callBack: a callback for now. The gate decides and writes before the call goes out.
func (t *teller) callBack(ctx context.Context) error {
	t.PBX.SetExtension(toneAgent, pbx.Extension{RingFor: 200 * time.Millisecond, Then: "answer", Codecs: []string{"pcmu"}, ToneHz: agentHz})
	t.Meta.SetUser(t.metaUser(), speaksG711())
	began := time.Now()
	cb, err := t.schedule(ctx, toneAgent, "user_first")
	if err != nil {
		return err
	}
	t.prove("callback %s is scheduled for now", cb.ID)
	if err := t.bothTalk(ctx, cb.ID); err != nil {
		return err
	}
	t.figure("callbackToTalkingMs", ms(time.Since(began)))
	return t.wroteBeforeDialling(ctx)
}

func (t *teller) schedule(ctx context.Context, agent, order string) (callback, error) {
	var cb callback
	err := t.api.post(ctx, "/v1/callbacks", map[string]any{
		"business": t.MetaAcc.Business, "user": t.MetaAcc.User, "agent": agent, "order": order, "purpose": "order 4711",
	}, &cb)
	return cb, err
}

// bothTalk waits until the callback's call is answered on both legs and RTP flows both ways.
func (t *teller) bothTalk(ctx context.Context, id string) error {
	err := until(ctx, callSoon, "the call", func(ctx context.Context) (bool, error) {
		var cb callback
		if err := t.api.get(ctx, "/v1/callbacks/"+id, &cb); err != nil {
			return false, err
		}
		if cb.State != "pending" && cb.State != "dialling" {
			return false, failf("the callback is %s: %s", cb.State, cb.Reason)
		}
		w, p, ok := t.latest()
		return ok && w.State == "accepted" && p.State == "answered" && w.Handset.Heard().Packets > 10 && p.Packets > 10, nil
	})
	if err != nil {
		return err
	}
	w, p, _ := t.latest()
	t.prove("Graph connect with an offer, then RINGING and ACCEPTED; ICE and DTLS are up; INVITE to extension %s answered 200", p.Extension)
	t.prove("RTP is relayed both ways: %s on WhatsApp, %s on the PBX", w.Handset.Heard().Codec, p.Codec)
	return nil
}

// latest is the newest call at Meta and at the PBX.
func (t *teller) latest() (meta.Call, pbx.Call, bool) {
	w, p := t.Meta.Calls(), t.PBX.Calls()
	if len(w) == 0 || len(p) == 0 {
		return meta.Call{}, pbx.Call{}, false
	}
	return w[len(w)-1], p[len(p)-1], true
}

// wroteBeforeDialling asks the witness what the audit held when Meta got the call.
func (t *teller) wroteBeforeDialling(ctx context.Context) error {
	s, ok := t.Witness.last()
	switch {
	case !ok:
		return failf("Meta got no connect")
	case s.err != nil:
		return fmt.Errorf("the witness could not read the audit: %w", s.err)
	case len(s.attempts) == 0:
		return failf("when Meta got the call the audit held no attempt")
	}
	a := s.attempts[len(s.attempts)-1]
	if s.opaque == "" || !strings.Contains(string(a.Payload), s.opaque) {
		return failf("the last attempt in the audit is not the call that Meta got")
	}
	decisions, err := t.api.entries(ctx, "decision.allowed")
	if err != nil {
		return err
	}
	for _, d := range decisions {
		if d.Index < a.Index && strings.Contains(string(d.Payload), s.opaque) {
			t.prove("when Meta got the call, the decision (entry %d) and the attempt (entry %d) were already committed, %.1f ms before",
				d.Index, a.Index, ms(s.at.Sub(a.Time)))
			t.figure("attemptToGraphMs", ms(s.at.Sub(a.Time)))
			return nil
		}
	}
	return failf("the audit has no decision before attempt %d", a.Index)
}

// hear: tones in G.711, then a second call with Opus, byte for byte.
func (t *teller) hear(ctx context.Context) error {
	if err := t.tonesBothWays(ctx); err != nil {
		return err
	}
	w, p, _ := t.latest()
	if !w.Handset.Heard().PeerFirst {
		return failf("the first packet towards Meta did not leave from our side")
	}
	t.prove("the first packet of the WhatsApp path left from our side; one SSRC (%d)", w.Handset.Heard().SSRCs)
	if err := t.PBX.HangUp(p.CallID); err != nil {
		return fmt.Errorf("hang up: %w", err)
	}
	if err := t.ended(ctx, "agent"); err != nil {
		return err
	}
	return t.opusCall(ctx)
}

// tonesBothWays listens at both ends of the latest call.
func (t *teller) tonesBothWays(ctx context.Context) error {
	var user, agent float64
	err := until(ctx, soon, "hearing each other's tone", func(context.Context) (bool, error) {
		w, p, ok := t.latest()
		if !ok {
			return false, nil
		}
		user, agent = w.Handset.ToneLevel(agentHz), t.PBX.ToneLevel(p.CallID, userHz)
		return user > audible && agent > audible, nil
	})
	if err != nil {
		return fmt.Errorf("%w (the customer hears %.2f, the agent %.2f)", err, user, agent)
	}
	t.prove("in decoded audio the customer hears %.0f Hz (%.0f %% of the energy), the agent %.0f Hz (%.0f %%)",
		agentHz, user*100, userHz, agent*100)
	return nil
}

// opusCall places a second call with Opus on both legs and compares payloads.
func (t *teller) opusCall(ctx context.Context) error {
	fromUser, fromAgent := tone.OpusFrames(opusFrames, userHz), tone.OpusFrames(opusFrames, agentHz)
	t.Meta.SetUser(t.metaUser(), handset.Behaviour{RingFor: 100 * time.Millisecond, Then: "answer", Codecs: []string{"opus"}, Payloads: fromUser})
	t.PBX.SetExtension(opusAgent, pbx.Extension{RingFor: 100 * time.Millisecond, Then: "answer", Codecs: []string{"opus"}, Payloads: fromAgent})
	before := len(t.Meta.Calls())
	cb, err := t.schedule(ctx, opusAgent, "agent_first")
	if err != nil {
		return err
	}
	var up, down run
	err = until(ctx, callSoon, "Opus both ways", func(context.Context) (bool, error) {
		w, p, ok := t.latest()
		if !ok || len(t.Meta.Calls()) == before || p.Extension != opusAgent {
			return false, nil
		}
		var err error
		if up, err = inOrder(fromUser, p.Payloads); err != nil {
			return false, fmt.Errorf("customer to agent: %w", err)
		}
		if down, err = inOrder(fromAgent, w.Handset.Heard().Payloads); err != nil {
			return false, fmt.Errorf("agent to customer: %w", err)
		}
		return up.frames >= opusEnough && down.frames >= opusEnough, nil
	})
	if err != nil {
		return fmt.Errorf("%w (to the agent %d, to the customer %d frames; callback %s)", err, up.frames, down.frames, cb.ID)
	}
	t.prove("Opus on both legs: %d frames to the agent and %d to the customer, byte-identical, in order, none missing (%d and %d frames of silence put in while the other side was not up)",
		up.frames, down.frames, up.filler, down.filler)
	w, _, _ := t.latest()
	if err := t.Meta.HangUp(w.ID); err != nil {
		return fmt.Errorf("hang up: %w", err)
	}
	if err := t.ended(ctx, "user"); err != nil {
		return err
	}
	return t.recorded(ctx)
}

// customerCalls: the customer calls twice; once the customer hangs up, once the agent.
func (t *teller) customerCalls(ctx context.Context) error {
	for _, by := range []string{"user", "agent"} {
		wacid, err := t.Meta.Call(ctx, t.metaUser(), handset.Behaviour{Codecs: []string{"pcmu"}, ToneHz: userHz})
		if err != nil {
			return fmt.Errorf("customer's call: %w", err)
		}
		err = until(ctx, callSoon, "the customer's call", func(context.Context) (bool, error) {
			w, p, ok := t.latest()
			return ok && w.ID == wacid && w.State == "accepted" && p.State == "answered", nil
		})
		if err != nil {
			return err
		}
		_, p, _ := t.latest()
		t.prove("connect with an offer → INVITE to extension %s → accept", p.Extension)
		if err := t.tonesBothWays(ctx); err != nil {
			return err
		}
		if by == "user" {
			err = t.Meta.HangUp(wacid)
		} else {
			err = t.PBX.HangUp(p.CallID)
		}
		if err != nil {
			return fmt.Errorf("hang up: %w", err)
		}
		if err := t.ended(ctx, by); err != nil {
			return err
		}
	}
	return nil
}

// ended waits until the latest call is over on both sides and has its CDR.
func (t *teller) ended(ctx context.Context, by string) error {
	var c call
	err := until(ctx, soon, "the end of both legs and the CDR", func(ctx context.Context) (bool, error) {
		w, p, ok := t.latest()
		if !ok || w.State != "ended" || p.State != "ended" {
			return false, nil
		}
		var err error
		c, err = t.lastCDR(ctx)
		return err == nil && c.EndedBy == by && c.Disposition == "ANSWERED", err
	})
	if err != nil {
		return fmt.Errorf("%w (last record: %s, ended by %q, %s)", err, c.Disposition, c.EndedBy, c.Cause)
	}
	t.prove("hung up by the %s: both legs ended, CDR %s %s, lost packets %d/%d",
		by, c.Direction, c.Disposition, c.WhatsApp.Lost, c.PBX.Lost)
	return nil
}

func (t *teller) lastCDR(ctx context.Context) (call, error) {
	var l list[call]
	if err := t.api.get(ctx, "/v1/calls?"+url.Values{"limit": {"1"}, "state": {"ended"}}.Encode(), &l); err != nil {
		return call{}, err
	}
	if len(l.Items) == 0 {
		return call{}, nil
	}
	return l.Items[0], nil
}
