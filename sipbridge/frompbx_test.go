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

// dial lets the PBX call a WhatsApp user through the bridge.
func (r *rig) dial(p *pbx.PBX, transport string, e pbx.Extension) string {
	r.t.Helper()
	for _, a := range r.bridge.ListenAddrs() {
		if a[:3] == transport {
			p.SetProxy(a[6:])
		}
	}
	id, err := p.Call(r.t.Context(), "sip:"+user+"@callctl;transport="+transport, e)
	require.NoError(r.t, err)
	return id
}

func TestPBXCallsUser(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		for _, ends := range []string{"agent", "user", "callctl"} {
			t.Run(transport+"/"+ends+" hangs up", func(t *testing.T) {
				p := newPBX(t, transport, pbx.Extension{})
				r := newRig(t, trunkOf(p, transport))
				h := r.phone(handset.Behaviour{ToneHz: 880, Codecs: []string{"pcmu"}})
				r.answering(h)
				sip := r.dial(p, transport, pbx.Extension{ToneHz: 440})
				_, err := p.WaitState(t.Context(), sip, "answered")
				require.NoError(t, err)
				live := r.live("bridged")
				talk(t, h, p, sip)
				switch ends {
				case "agent":
					require.NoError(t, p.HangUp(sip))
				case "user":
					r.deliver("wacid.1", sipbridge.CarrierTerminated)
				default:
					require.True(t, r.bridge.HangUp(live.ID, "api"))
				}
				call, err := p.WaitState(t.Context(), sip, "ended")
				require.NoError(t, err)
				if ends == "agent" {
					require.Equal(t, "pbx", call.EndedBy)
				} else {
					require.Equal(t, "peer", call.EndedBy)
				}
				cdr := r.cdr(live.ID)
				require.Equal(t, ends, cdr.EndedBy)
				require.Equal(t, "ANSWERED", cdr.Disposition)
				require.Equal(t, []string{"connected"}, r.gate.settled(live.ID))
				want := 1
				if ends == "user" {
					want = 0
				}
				require.Equal(t, want, r.carrier.count("terminate"))
			})
		}
	}
}

func TestPBXIsRefused(t *testing.T) {
	p := newPBX(t, "udp", pbx.Extension{})
	r := newRig(t, trunkOf(p, "udp"))
	r.gate.set(refusal{reason: "permission_expired", retry: time.Now().Add(time.Hour)}, nil)
	sip := r.dial(p, "udp", pbx.Extension{})
	call, err := p.WaitState(t.Context(), sip, "refused")
	require.NoError(t, err)
	require.Equal(t, 403, call.Status)
	require.Equal(t, `callctl;cause=403;text="permission_expired"`, call.Reason)
	require.Zero(t, r.carrier.count("connect"), "a refused call must not reach the provider")
	require.Empty(t, r.bridge.Live())

	r.gate.set(nil, refusal{reason: "do_not_call"}) // withdrawn between the decision and the dial
	sip = r.dial(p, "udp", pbx.Extension{})
	call, err = p.WaitState(t.Context(), sip, "refused")
	require.NoError(t, err)
	require.Equal(t, 403, call.Status)
	require.Equal(t, `callctl;cause=403;text="do_not_call"`, call.Reason)
	require.Zero(t, r.carrier.count("connect"))
	cdr := r.records(1)[0]
	require.Equal(t, "refused", cdr.Outcome)
	require.Equal(t, "do_not_call", cdr.Cause)
}

func TestPBXCancels(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			p := newPBX(t, transport, pbx.Extension{})
			r := newRig(t, trunkOf(p, transport))
			h := r.phone(handset.Behaviour{Codecs: []string{"pcmu"}})
			r.carrier.onConnect(func(_ context.Context, wacid, offer, opaque string) error {
				answer, err := h.Answer(offer)
				if err == nil {
					go func() {
						r.deliver(wacid, sipbridge.CarrierConnect, func(e *sipbridge.Event) { e.SDPType, e.SDP, e.Opaque = "answer", answer, opaque })
						r.deliver(wacid, sipbridge.CarrierRinging)
					}()
				}
				return err
			})
			sip := r.dial(p, transport, pbx.Extension{})
			require.Eventually(t, func() bool { return r.carrier.count("connect") == 1 }, patience, time.Millisecond)
			id := r.live("ringing").ID
			time.Sleep(100 * time.Millisecond)
			require.NoError(t, p.HangUp(sip))
			call, err := p.WaitState(t.Context(), sip, "cancelled")
			require.NoError(t, err)
			require.Equal(t, 487, call.Status)
			cdr := r.cdr(id)
			require.Equal(t, sipbridge.CauseAgentCancelled, cdr.Cause)
			require.Equal(t, "cancelled", cdr.Outcome)
			require.Equal(t, 1, r.carrier.count("terminate"))
		})
	}
}

// TestWhatACallingPBXHears: how the user's side ended, in SIP and in Q.850.
func TestWhatACallingPBXHears(t *testing.T) {
	refuses := func(code int) func(context.Context, string, string, string) error {
		return func(context.Context, string, string, string) error {
			return &sipbridge.CarrierError{Code: code, Status: 400, Message: "no"}
		}
	}
	for _, c := range []struct {
		name    string
		event   sipbridge.EventKind
		connect func(context.Context, string, string, string) error
		status  int
		reason  string
		outcome string
	}{
		{"declined", sipbridge.CarrierRejected, nil, 603, `Q.850;cause=21;text="Call rejected"`, "rejected"},
		{"not answered", sipbridge.CarrierTerminated, nil, 480, `Q.850;cause=19;text="No answer from user"`, "unanswered"},
		{"no permission", "", refuses(138006), 403, `callctl;cause=403;text="carrier_refused"`, "refused"},
		{"cannot be called", "", refuses(138001), 503, `Q.850;cause=41;text="Temporary failure"`, "failed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			peer := newRawPeer(t)
			r := newRig(t, peer.trunk())
			r.carrier.onConnect(c.connect)
			caller := peer.dials(r.bridge.ListenAddrs()[0], "call-1", user, nil)
			if c.event != "" {
				require.Eventually(t, func() bool { return r.carrier.count("connect") == 1 }, patience, time.Millisecond)
				r.deliver("wacid.1", c.event)
			}
			select {
			case <-caller.answered:
			case <-time.After(patience):
				require.FailNow(t, "no final response")
			}
			caller.mu.Lock()
			defer caller.mu.Unlock()
			require.Equal(t, c.status, caller.final)
			require.Equal(t, c.reason, header(caller.response, "Reason"))
			require.Equal(t, c.outcome, r.records(1)[0].Outcome)
		})
	}
}
