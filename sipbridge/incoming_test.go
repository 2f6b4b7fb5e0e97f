package sipbridge_test

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/sipbridge"
	"github.com/callctl/callctl/testbed/handset"
	"github.com/callctl/callctl/testbed/pbx"
)

// ring delivers a user's connect for a handset's offer and takes our answer into
// the handset when it is pre-accepted.
func (r *rig) ring(h *handset.Handset, wacid string, at time.Time) {
	r.t.Helper()
	offer, err := h.Offer()
	require.NoError(r.t, err)
	r.carrier.mu.Lock()
	r.carrier.preAccept = func(_ context.Context, _, answer string) error { return h.SetAnswer(answer) }
	r.carrier.mu.Unlock()
	r.deliver(wacid, sipbridge.CarrierConnect, func(e *sipbridge.Event) {
		e.Direction, e.SDPType, e.SDP, e.At = sipbridge.UserInitiated, "offer", offer, at
	})
}

func TestUserCallsBusiness(t *testing.T) {
	for _, ends := range []string{"user", "agent"} {
		t.Run(ends+" hangs up", func(t *testing.T) {
			p := newPBX(t, "udp", pbx.Extension{RingFor: 100 * time.Millisecond, ToneHz: 440})
			r := newRig(t, trunkOf(p, "udp"))
			h := r.phone(handset.Behaviour{ToneHz: 880, Codecs: []string{"pcmu"}})
			var accepted atomic.Int64
			var early atomic.Int64
			r.carrier.onAccept(func(context.Context, string, string) error {
				early.Store(int64(h.Heard().Packets))
				time.Sleep(50 * time.Millisecond)
				early.Add(int64(h.Heard().Packets))
				accepted.Add(1)
				return nil
			})
			r.ring(h, "wacid.in", time.Now())
			live := r.live("bridged")
			require.Equal(t, sipbridge.UserInitiated, live.Direction)
			require.Equal(t, int64(1), accepted.Load())
			require.Zero(t, early.Load(), "media before accept was acknowledged")
			require.Equal(t, r.carrier.answers("pre_accept"), r.carrier.answers("accept"), "accept must equal pre_accept")
			sip := p.Calls()[0].CallID
			talk(t, h, p, sip)
			if ends == "user" {
				r.deliver("wacid.in", sipbridge.CarrierTerminated, func(e *sipbridge.Event) { e.Duration = 3 * time.Second })
			} else {
				require.NoError(t, p.HangUp(sip))
			}
			cdr := r.cdr(live.ID)
			require.Equal(t, ends, cdr.EndedBy)
			require.Equal(t, "ANSWERED", cdr.Disposition)
			require.Equal(t, "connected", cdr.Outcome)
			require.Equal(t, int64(-1), cdr.DecisionIndex)
			require.Zero(t, r.carrier.count("reject"))
			require.Zero(t, r.carrier.count("connect"))
			if ends == "user" {
				require.Zero(t, r.carrier.count("terminate"))
				require.InDelta(t, 3.0, cdr.MetaDuration, 0.001)
				call, err := p.WaitState(t.Context(), sip, "ended")
				require.NoError(t, err)
				require.Equal(t, "peer", call.EndedBy)
				require.Contains(t, call.Reason, "Q.850;cause=16")
			} else {
				require.Equal(t, 1, r.carrier.count("terminate"))
			}
			require.Len(t, r.ledger.calls, 1)
			require.True(t, r.ledger.calls[0].Connected)
			require.Equal(t, "wacid.in", r.ledger.calls[0].Wacid)
		})
	}
}

func TestUserHangsUpBeforeAnswer(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			p := newPBX(t, transport, pbx.Extension{RingFor: time.Minute})
			r := newRig(t, trunkOf(p, transport))
			h := r.phone(handset.Behaviour{Codecs: []string{"pcmu"}})
			r.ring(h, "wacid.in", time.Now())
			_, err := p.WaitCall(t.Context(), func(c pbx.Call) bool { return c.State == "ringing" })
			require.NoError(t, err)
			id := r.live("ringing").ID
			time.Sleep(50 * time.Millisecond) // let 180 arrive
			r.deliver("wacid.in", sipbridge.CarrierTerminated)
			cdr := r.cdr(id)
			require.Equal(t, sipbridge.CauseUserCancelled, cdr.Cause)
			require.Equal(t, "NO ANSWER", cdr.Disposition)
			require.Equal(t, 487, cdr.SIPStatus, "the PBX answers our CANCEL's INVITE")
			call, err := p.WaitCall(t.Context(), func(c pbx.Call) bool { return c.State == "cancelled" })
			require.NoError(t, err)
			require.Equal(t, "peer", call.EndedBy)
			require.Zero(t, r.carrier.count("terminate"))
			require.Zero(t, r.carrier.count("reject"))
			require.False(t, r.ledger.calls[0].Connected)
		})
	}
}

func TestAgentDoesNotTakeUsersCall(t *testing.T) {
	for _, c := range []struct{ then, cause, disposition string }{
		{"busy", sipbridge.CauseAgentBusy, "BUSY"},
		{"decline", sipbridge.CauseAgentRejected, "BUSY"},
		{"ignore", sipbridge.CauseAgentNoAnswer, "NO ANSWER"},
	} {
		t.Run(c.then, func(t *testing.T) {
			p := newPBX(t, "udp", pbx.Extension{Then: c.then})
			r := newRig(t, trunkOf(p, "udp"), func(cfg *sipbridge.Config) { cfg.Timeouts.AgentRing = 300 * time.Millisecond })
			h := r.phone(handset.Behaviour{Codecs: []string{"pcmu"}})
			r.ring(h, "wacid.in", time.Now())
			require.Eventually(t, func() bool { return r.carrier.count("reject wacid.in") == 1 }, patience, time.Millisecond)
			cdrs := r.records(1)
			require.Equal(t, c.cause, cdrs[0].Cause)
			require.Equal(t, c.disposition, cdrs[0].Disposition)
			require.Zero(t, r.carrier.count("terminate"))
			require.Zero(t, r.carrier.count("accept"))
		})
	}
}

func TestConnectThatMustNotRing(t *testing.T) {
	p := newPBX(t, "udp", pbx.Extension{})
	r := newRig(t, trunkOf(p, "udp"))
	h := r.phone(handset.Behaviour{Codecs: []string{"pcmu"}})

	r.ring(h, "wacid.old", time.Now().Add(-2*time.Minute))
	require.Equal(t, sipbridge.CauseStaleConnect, r.records(1)[0].Cause)
	require.Equal(t, 1, r.carrier.count("reject wacid.old"))

	r.deliver("wacid.late", sipbridge.CarrierTerminated, func(e *sipbridge.Event) { e.Direction = sipbridge.UserInitiated })
	r.ring(h, "wacid.late", time.Now())
	require.Equal(t, sipbridge.CauseUserCancelled, r.records(2)[0].Cause)

	for range 5 { // repeated deliveries of calls that are over
		r.ring(h, "wacid.old", time.Now())
		r.ring(h, "wacid.late", time.Now())
	}
	time.Sleep(100 * time.Millisecond)
	require.Empty(t, p.Calls(), "the PBX must not ring")
	require.Empty(t, r.bridge.Live())
	require.Len(t, r.records(2), 2)
}

func TestDuplicateConnectIsOneCall(t *testing.T) {
	p := newPBX(t, "udp", pbx.Extension{RingFor: 200 * time.Millisecond})
	r := newRig(t, trunkOf(p, "udp"))
	h := r.phone(handset.Behaviour{Codecs: []string{"pcmu"}})
	for range 100 {
		r.ring(h, "wacid.in", time.Now())
	}
	r.live("bridged")
	require.Len(t, p.Calls(), 1)
	require.Len(t, r.bridge.Live(), 1)
	require.Equal(t, 1, r.carrier.count("accept"))
	require.Equal(t, 1, r.bridge.HangUpUser("do_not_call", "US.1", user))
	require.Equal(t, "do_not_call", r.records(1)[0].Cause)
	require.Equal(t, 1, r.carrier.count("terminate"))
}

// TestEventsBeforeRunAreNotLost: HTTP may be up before the SIP sockets are served.
func TestEventsBeforeRunAreNotLost(t *testing.T) {
	p := newPBX(t, "udp", pbx.Extension{RingFor: time.Minute})
	r := idleRig(t, trunkOf(p, "udp"))
	h := r.phone(handset.Behaviour{Codecs: []string{"pcmu"}})
	r.ring(h, "wacid.early", time.Now())
	r.deliver("wacid.gone", sipbridge.CarrierTerminated, func(e *sipbridge.Event) { e.Direction = sipbridge.UserInitiated })
	r.ring(h, "wacid.gone", time.Now())
	for range 2000 { // a flood is bounded
		r.deliver("wacid.unknown", sipbridge.CarrierRinging)
	}
	require.Empty(t, r.bridge.Live())
	select {
	case <-r.bridge.Ready():
		require.FailNow(t, "ready before Run")
	default:
	}
	r.run()
	_, err := p.WaitCall(t.Context(), func(c pbx.Call) bool { return c.State == "ringing" })
	require.NoError(t, err)
	require.Equal(t, "wacid.gone", r.records(1)[0].Wacid)
	r.deliver("wacid.early", sipbridge.CarrierTerminated)
	require.Equal(t, sipbridge.CauseUserCancelled, r.records(2)[0].Cause)
	require.Len(t, p.Calls(), 1)
}

// TestUsersCallRingsOnceAcrossRestarts: the memory of ended calls is the record.
func TestUsersCallRingsOnceAcrossRestarts(t *testing.T) {
	p := newPBX(t, "udp", pbx.Extension{Then: "busy"})
	r := newRig(t, trunkOf(p, "udp"))
	h := r.phone(handset.Behaviour{Codecs: []string{"pcmu"}})
	r.ring(h, "wacid.in", time.Now())
	r.records(1)
	r.restart()
	for range 3 {
		r.ring(h, "wacid.in", time.Now())
	}
	r.ring(h, "wacid.next", time.Now())
	require.Equal(t, "wacid.next", r.records(2)[0].Wacid)
	require.Len(t, p.Calls(), 2)

	insert := func(index int, direction sipbridge.Direction) error {
		return r.log.Update(t.Context(), func(ctx context.Context, tx *audit.Tx) error {
			_, err := tx.ExecContext(ctx, `INSERT INTO calls
 (audit_idx, id, account, direction, subject, wacid, started_ms, ended_ms, disposition, outcome, cause, record)
 VALUES (?, ?, 'acme', ?, 's', 'wacid.in', 0, 0, '', '', '', '{}')`, index, strconv.Itoa(index), string(direction))
			return err
		})
	}
	require.Error(t, insert(1000, sipbridge.UserInitiated), "the database holds it too")
	require.NoError(t, insert(1001, sipbridge.BusinessInitiated), "our own call must always have its record")
}

// TestTerminateThatMeetsItsConnect: a terminate that comes while the call is being
// made ends it; it does not ring on.
func TestTerminateThatMeetsItsConnect(t *testing.T) {
	p := newPBX(t, "udp", pbx.Extension{RingFor: time.Minute})
	var meanwhile func()
	r := newRig(t, trunkOf(p, "udp"), func(cfg *sipbridge.Config) {
		cfg.NewID = func() string {
			meanwhile()
			return "call-1"
		}
	})
	h := r.phone(handset.Behaviour{Codecs: []string{"pcmu"}})
	meanwhile = func() {
		r.deliver("wacid.in", sipbridge.CarrierTerminated, func(e *sipbridge.Event) { e.Direction = sipbridge.UserInitiated })
	}
	r.ring(h, "wacid.in", time.Now())
	require.Equal(t, sipbridge.CauseUserCancelled, r.records(1)[0].Cause)
	require.Empty(t, p.Calls())
}
