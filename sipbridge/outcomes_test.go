package sipbridge_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/sipbridge"
	"github.com/callctl/callctl/testbed/handset"
	"github.com/callctl/callctl/testbed/pbx"
)

var errTimeout = errors.New("no answer from the provider")

func TestGateRefusesOriginate(t *testing.T) {
	p := newPBX(t, "udp", pbx.Extension{})
	r := newRig(t, trunkOf(p, "udp"))
	r.gate.set(refusal{reason: "do_not_call"}, nil)
	_, err := r.bridge.Originate(t.Context(), sipbridge.Originate{Business: business, User: user, Agent: "1001"}, nil)
	var no sipbridge.Refusal
	require.ErrorAs(t, err, &no)
	require.Equal(t, "do_not_call", no.Reason())
	time.Sleep(50 * time.Millisecond)
	require.Empty(t, p.Calls(), "nothing may leave")
	require.Zero(t, r.carrier.count("connect"))
}

func TestPermissionWithdrawnWhileAgentRings(t *testing.T) {
	p := newPBX(t, "udp", pbx.Extension{RingFor: 100 * time.Millisecond})
	r := newRig(t, trunkOf(p, "udp"))
	id, results := r.call(sipbridge.Originate{})
	_, err := p.WaitCall(t.Context(), func(c pbx.Call) bool { return c.State == "ringing" })
	require.NoError(t, err)
	r.gate.set(nil, refusal{reason: "permission_revoked"})
	require.Equal(t, sipbridge.Result{CallID: id, Outcome: "refused", Cause: "permission_revoked"}, r.wait(results))
	require.Zero(t, r.carrier.count("connect"), "no request may leave for the provider")
	require.Zero(t, r.carrier.count("terminate"))
	_, err = p.WaitCall(t.Context(), func(c pbx.Call) bool { return c.State == "ended" && c.EndedBy == "peer" })
	require.NoError(t, err)
}

func TestProviderRefuses(t *testing.T) {
	for _, c := range []struct {
		code             int
		outcome, cause   string
		endedBy, disposn string
	}{
		{138006, "refused", sipbridge.CauseCarrierRefused, "provider", "FAILED"},
		{138012, "failed", sipbridge.CauseCarrierFailed, "provider", "FAILED"},
		{0, "failed", sipbridge.CauseCarrierFailed, "provider", "FAILED"},
	} {
		p := newPBX(t, "udp", pbx.Extension{})
		r := newRig(t, trunkOf(p, "udp"))
		r.carrier.onConnect(func(context.Context, string, string, string) error {
			return &sipbridge.CarrierError{Code: c.code, Status: 401, Message: "no"}
		})
		id, results := r.call(sipbridge.Originate{})
		require.Equal(t, sipbridge.Result{CallID: id, Outcome: c.outcome, Cause: c.cause}, r.wait(results))
		require.Equal(t, 1, r.carrier.count("connect"), "connect is never repeated")
		require.Zero(t, r.carrier.count("terminate"))
		cdr := r.cdr(id)
		require.Equal(t, c.endedBy, cdr.EndedBy)
		require.Equal(t, c.disposn, cdr.Disposition)
		if c.code != 0 {
			require.Equal(t, []int{c.code}, cdr.ProviderCodes)
		}
	}
}

func TestAnswerToConnectIsLost(t *testing.T) {
	p := newPBX(t, "udp", pbx.Extension{})
	r := newRig(t, trunkOf(p, "udp"), func(cfg *sipbridge.Config) { cfg.Timeouts.LostConnect = 300 * time.Millisecond })
	h := r.phone(handset.Behaviour{ToneHz: 880, Codecs: []string{"pcmu"}})
	answers := make(chan string, 2)
	opaques := make(chan string, 2)
	r.carrier.onConnect(func(_ context.Context, _, offer, opaque string) error {
		answer, _ := h.Answer(offer) // the second call gets none: no event tells of it
		answers <- answer
		opaques <- opaque
		return errTimeout
	})
	// The events tell of the call: it goes on.
	id, results := r.call(sipbridge.Originate{})
	answer, opaque := <-answers, <-opaques
	require.Equal(t, id, opaque)
	r.deliver("wacid.1", sipbridge.CarrierConnect, func(e *sipbridge.Event) { e.SDPType, e.SDP, e.Opaque = "answer", answer, opaque })
	r.deliver("wacid.1", sipbridge.CarrierAccepted)
	r.live("bridged")
	require.True(t, r.bridge.HangUp(id, "api"))
	require.Equal(t, "connected", r.wait(results).Outcome)
	require.Equal(t, 1, r.carrier.count("terminate wacid.1 "))

	// No event in time: given up; when the call shows up after all it is ended.
	_, results = r.call(sipbridge.Originate{})
	<-answers
	opaque = <-opaques
	require.Equal(t, sipbridge.CauseCarrierLost, r.wait(results).Cause)
	require.Zero(t, r.carrier.count("terminate wacid.2 "))
	require.Eventually(t, func() bool { return len(r.bridge.Live()) == 0 }, patience, time.Millisecond)
	time.Sleep(50 * time.Millisecond)
	r.deliver("wacid.2", sipbridge.CarrierRinging, func(e *sipbridge.Event) { e.Opaque = opaque })
	require.Eventually(t, func() bool { return r.carrier.count("terminate wacid.2 ") == 1 }, patience, time.Millisecond)
	require.Equal(t, 2, r.carrier.count("connect"))
}

func TestUserDoesNotAnswer(t *testing.T) {
	p := newPBX(t, "udp", pbx.Extension{})
	r := newRig(t, trunkOf(p, "udp"), func(cfg *sipbridge.Config) { cfg.Timeouts.UserRing = 200 * time.Millisecond })
	id, results := r.call(sipbridge.Originate{})
	require.Equal(t, sipbridge.Result{CallID: id, Outcome: "unanswered", Cause: sipbridge.CauseUserNoAnswer}, r.wait(results))
	require.Equal(t, 1, r.carrier.count("terminate wacid.1 "))

	_, results = r.call(sipbridge.Originate{})
	require.Eventually(t, func() bool { return r.carrier.count("connect") == 2 }, patience, time.Millisecond)
	r.deliver("wacid.2", sipbridge.CarrierRejected)
	require.Equal(t, "rejected", r.wait(results).Outcome)
}

func TestOptOutEndsRingingCallAtOnce(t *testing.T) {
	p := newPBX(t, "udp", pbx.Extension{})
	r := newRig(t, trunkOf(p, "udp"))
	_, results := r.call(sipbridge.Originate{})
	require.Eventually(t, func() bool { return r.carrier.count("connect") == 1 }, patience, time.Millisecond)
	r.deliver("wacid.1", sipbridge.CarrierRinging)
	began := time.Now()
	require.Zero(t, r.bridge.HangUpUser("do_not_call", "+6590000000"))
	require.Equal(t, 1, r.bridge.HangUpUser("do_not_call", "+6590000000", user))
	res := r.wait(results)
	require.Less(t, time.Since(began), time.Second)
	require.Equal(t, "do_not_call", res.Cause)
	require.Equal(t, "cancelled", res.Outcome)
	require.Equal(t, 1, r.carrier.count("terminate"))
	require.Zero(t, r.bridge.HangUpUser("do_not_call", user))
}

func TestTerminateIsRepeatedUntilItIsHeard(t *testing.T) {
	p := newPBX(t, "udp", pbx.Extension{})
	r := newRig(t, trunkOf(p, "udp"))
	tries := 0
	r.carrier.mu.Lock()
	r.carrier.terminate = func(context.Context, string) error {
		tries++
		if tries < 3 {
			return errTimeout
		}
		return nil
	}
	r.carrier.mu.Unlock()
	id, results := r.call(sipbridge.Originate{})
	require.Eventually(t, func() bool { return r.carrier.count("connect") == 1 }, patience, time.Millisecond)
	require.True(t, r.bridge.HangUp(id, "api"))
	r.wait(results)
	r.stop()
	require.Equal(t, 3, r.carrier.count("terminate"))
}

func TestRecordIsWrittenOnceTheDatabaseTakesIt(t *testing.T) {
	p := newPBX(t, "udp", pbx.Extension{Then: "busy"})
	r := newRig(t, trunkOf(p, "udp"))
	r.ledger.mu.Lock()
	r.ledger.fail = 2
	r.ledger.mu.Unlock()
	id, results := r.call(sipbridge.Originate{})
	require.Equal(t, sipbridge.CauseAgentBusy, r.wait(results).Cause)
	require.Equal(t, "cancelled", r.cdr(id).Outcome)
}

func TestShutdownEndsLiveCalls(t *testing.T) {
	p := newPBX(t, "udp", pbx.Extension{})
	r := newRig(t, trunkOf(p, "udp"))
	h := r.phone(handset.Behaviour{ToneHz: 880, Codecs: []string{"pcmu"}})
	r.answering(h)
	_, results := r.call(sipbridge.Originate{})
	r.live("bridged")
	go r.stop()
	res := r.wait(results)
	require.Equal(t, sipbridge.CauseShutdown, res.Cause)
	require.Equal(t, 1, r.carrier.count("terminate"))
	_, err := p.WaitCall(t.Context(), func(c pbx.Call) bool { return c.EndedBy == "peer" })
	require.NoError(t, err)
	_, err = r.bridge.Originate(t.Context(), sipbridge.Originate{Business: business, User: user, Agent: "1001"}, nil)
	require.ErrorIs(t, err, sipbridge.ErrNotRunning)
}

func TestCallsArePagedNewestFirst(t *testing.T) {
	p := newPBX(t, "udp", pbx.Extension{Then: "busy"})
	r := newRig(t, trunkOf(p, "udp"))
	var ids []string
	for range 5 {
		id, results := r.call(sipbridge.Originate{})
		r.wait(results)
		ids = append([]string{id}, ids...)
	}
	var got []string
	cursor := ""
	for {
		page, next, err := r.bridge.CDRs(t.Context(), 2, cursor)
		require.NoError(t, err)
		for _, c := range page {
			got = append(got, c.ID)
		}
		if next == "" {
			break
		}
		cursor = next
	}
	require.Equal(t, ids, got)
	_, _, err := r.bridge.CDRs(t.Context(), 2, "x")
	require.ErrorIs(t, err, sipbridge.ErrCursor)
	_, ok, err := r.bridge.CDR(t.Context(), "none")
	require.NoError(t, err)
	require.False(t, ok)
}

func TestAgentsThatMayNotBeDialled(t *testing.T) {
	p := newPBX(t, "udp", pbx.Extension{})
	r := newRig(t, trunkOf(p, "udp"))
	for _, agent := range []string{"sip:1001@evil.example", "1001@evil.example", "9%23", "a b", "sip:x:y@127.0.0.1", "1;phone-context=x", "1\r\nX: y", strings.Repeat("1", 65)} {
		_, err := r.bridge.Originate(t.Context(), sipbridge.Originate{Business: business, User: user, Agent: agent}, nil)
		require.ErrorIs(t, err, sipbridge.ErrAgent, agent)
	}
	for _, u := range []string{"", "6591234567", "+0123456", "+65912345678901234", "sip:x@y", "US.1;lr", "+659\r\n"} {
		_, err := r.bridge.Originate(t.Context(), sipbridge.Originate{Business: business, User: u, Agent: "1001"}, nil)
		require.ErrorIs(t, err, sipbridge.ErrUser, u)
	}
}
