package sipbridge_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/sipbridge"
	"github.com/callctl/callctl/testbed/handset"
	"github.com/callctl/callctl/testbed/pbx"
)

// newPBX runs a testbed PBX with one extension, 1001.
func newPBX(t *testing.T, transport string, e pbx.Extension) *pbx.PBX {
	t.Helper()
	p, err := pbx.New(pbx.Config{Host: "127.0.0.1", Transport: transport, Extensions: map[string]pbx.Extension{"1001": e}})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = p.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return p
}

func trunkOf(p *pbx.PBX, transport string) string {
	return "sip:" + p.Addr() + ";transport=" + transport
}

// talk waits until both ends have heard each other's tone.
func talk(t *testing.T, h *handset.Handset, p *pbx.PBX, callID string) {
	t.Helper()
	require.Eventually(t, func() bool { return h.ToneLevel(440) > 0.9 && p.ToneLevel(callID, 880) > 0.9 },
		patience, 20*time.Millisecond, "the ends did not hear each other")
	require.True(t, h.Heard().PeerFirst, "the first packet towards WhatsApp must be ours")
}

func TestOutgoingCall(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		for _, order := range []sipbridge.Order{sipbridge.AgentFirst, sipbridge.UserFirst} {
			t.Run(transport+"/"+string(order), func(t *testing.T) {
				p := newPBX(t, transport, pbx.Extension{RingFor: 50 * time.Millisecond, ToneHz: 440})
				r := newRig(t, trunkOf(p, transport))
				h := r.phone(handset.Behaviour{ToneHz: 880, Codecs: []string{"pcmu"}})
				r.answering(h)

				id, results := r.call(sipbridge.Originate{Order: order, Purpose: "your order", CallbackID: "cb-1"})
				live := r.live("bridged")
				require.Equal(t, id, live.ID)
				require.Equal(t, user, live.User)
				calls := p.Calls()
				require.Len(t, calls, 1)
				talk(t, h, p, calls[0].CallID)
				require.Equal(t, id, calls[0].Headers["X-Callctl-Call-ID"])
				require.Equal(t, "cb-1", calls[0].Headers["X-Callctl-Callback-ID"])
				require.Equal(t, "your order", calls[0].Headers["X-Callctl-Purpose"])
				require.Contains(t, calls[0].Headers["X-Callctl-Permission"], "temporary")
				require.Contains(t, calls[0].Headers["P-Asserted-Identity"], user)
				require.Contains(t, calls[0].Headers["From"], user)

				require.NoError(t, p.HangUp(calls[0].CallID))
				res := r.wait(results)
				require.Equal(t, sipbridge.Result{CallID: id, Outcome: "connected", Cause: sipbridge.CauseAgentHangup}, res)
				cdr := r.cdr(id)
				require.Equal(t, "ANSWERED", cdr.Disposition)
				require.Equal(t, "agent", cdr.EndedBy)
				require.Equal(t, int64(7), cdr.DecisionIndex)
				require.Equal(t, "wacid.1", cdr.Wacid)
				require.NotZero(t, cdr.WhatsApp.PacketsIn)
				require.NotZero(t, cdr.PBX.PacketsIn)
				require.False(t, cdr.BridgedAt.IsZero())
				require.Equal(t, []string{"connected"}, r.gate.settled(id))
				require.Equal(t, 1, r.carrier.count("terminate"))
				require.Equal(t, 1, r.carrier.count("connect"))
			})
		}
	}
}
