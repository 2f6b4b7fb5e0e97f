package sipbridge_test

import (
	"context"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/sipbridge"
	"github.com/callctl/callctl/testbed/handset"
)

// sippTrunk is a trunk URI for a SIPp that will listen on port.
func sippTrunk(port int, transport string) string {
	return "sip:127.0.0.1:" + strconv.Itoa(port) + ";transport=" + transport
}

// listening waits until a TCP peer accepts; UDP needs no waiting, INVITE repeats.
func listening(t *testing.T, transport string, port int) {
	t.Helper()
	if transport != "tcp" {
		return
	}
	require.Eventually(t, func() bool {
		var d net.Dialer
		c, err := d.DialContext(t.Context(), "tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	}, patience, 20*time.Millisecond)
}

// echoed waits until the handset hears its own tone, which went to the peer and
// came back: RTP really reached it.
func echoed(t *testing.T, h *handset.Handset) {
	t.Helper()
	require.Eventually(t, func() bool { return h.ToneLevel(880) > 0.9 && h.Heard().Packets >= 40 },
		patience, 20*time.Millisecond, "no RTP came back from the peer")
}

func TestSIPpAnswers(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			port := freePort(t)
			peer := sipp(t, transport, "uas_waits_for_bye", port)
			listening(t, transport, port)
			r := newRig(t, sippTrunk(port, transport))
			h := r.phone(handset.Behaviour{ToneHz: 880, Codecs: []string{"pcmu"}})
			r.answering(h)
			id, results := r.call(sipbridge.Originate{Purpose: "order"})
			r.live("bridged")
			echoed(t, h)
			require.True(t, r.bridge.HangUp(id, "api"))
			require.Equal(t, "connected", r.wait(results).Outcome)
			peer.succeeded(t)
			cdr := r.cdr(id)
			require.Greater(t, cdr.PBX.PacketsIn, uint64(10), "RTP from SIPp")
			require.Greater(t, cdr.PBX.PacketsOut, uint64(10), "RTP to SIPp")
			require.Equal(t, "callctl", cdr.EndedBy)
		})
	}
}

func TestSIPpChallengesAndHangsUp(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			port := freePort(t)
			peer := sipp(t, transport, "uas_challenges_and_ends", port)
			listening(t, transport, port)
			r := newRig(t, sippTrunk(port, transport), func(cfg *sipbridge.Config) {
				cfg.Trunk.Username, cfg.Trunk.Password = "callctl", "secret"
			})
			h := r.phone(handset.Behaviour{ToneHz: 880, Codecs: []string{"pcmu"}})
			r.answering(h)
			id, results := r.call(sipbridge.Originate{})
			t.Cleanup(func() {
				if t.Failed() {
					t.Log(peer.out)
				}
			})
			echoed(t, h)
			res := r.wait(results)
			require.Equal(t, sipbridge.CauseAgentHangup, res.Cause)
			require.Equal(t, "ANSWERED", r.cdr(id).Disposition)
			peer.succeeded(t)
			require.Equal(t, 1, r.carrier.count("terminate"))
		})
	}
}

func TestSIPpRingsUntilUserHangsUp(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			port := freePort(t)
			peer := sipp(t, transport, "uas_rings_until_cancel", port)
			listening(t, transport, port)
			r := newRig(t, sippTrunk(port, transport))
			h := r.phone(handset.Behaviour{Codecs: []string{"pcmu"}})
			r.ring(h, "wacid.in", time.Now())
			id := r.live("ringing").ID
			time.Sleep(700 * time.Millisecond) // SIPp's 180 must be here: CANCEL waits for it in any case
			r.deliver("wacid.in", sipbridge.CarrierTerminated)
			peer.succeeded(t)
			cdr := r.cdr(id)
			require.Equal(t, 487, cdr.SIPStatus)
			require.Equal(t, sipbridge.CauseUserCancelled, cdr.Cause)
		})
	}
}

// target is the bridge's address for a transport.
func (r *rig) target(transport string) string {
	for _, a := range r.bridge.ListenAddrs() {
		if a[:3] == transport {
			return a[6:]
		}
	}
	return ""
}

func TestSIPpCallsUser(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			port := freePort(t)
			r := newRig(t, sippTrunk(port, transport))
			h := r.phone(handset.Behaviour{ToneHz: 880, Codecs: []string{"pcmu"}})
			r.answering(h)
			peer := sipp(t, transport, "uac_talks", port, "-s", user, r.target(transport))
			id := r.live("bridged").ID
			echoed(t, h)
			peer.succeeded(t)
			cdr := r.cdr(id)
			require.Equal(t, sipbridge.CauseAgentHangup, cdr.Cause)
			require.Greater(t, cdr.PBX.PacketsIn, uint64(10))
			require.Equal(t, 1, r.carrier.count("terminate"))
		})
	}
}

func TestSIPpIsRefused(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			port := freePort(t)
			r := newRig(t, sippTrunk(port, transport))
			r.gate.set(refusal{reason: "permission_expired", retry: time.Now().Add(time.Hour)}, nil)
			sipp(t, transport, "uac_is_refused", port, "-s", user, r.target(transport)).succeeded(t)
			require.Zero(t, r.carrier.count("connect"))
		})
	}
}

func TestSIPpCancels(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			port := freePort(t)
			r := newRig(t, sippTrunk(port, transport))
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
			sipp(t, transport, "uac_cancels", port, "-s", user, r.target(transport)).succeeded(t)
			cdr := r.records(1)[0]
			require.Equal(t, sipbridge.CauseAgentCancelled, cdr.Cause)
			require.Equal(t, 1, r.carrier.count("terminate"))
		})
	}
}
