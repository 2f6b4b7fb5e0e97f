package pbx_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/callctl/callctl/testbed/pbx"
	"github.com/callctl/callctl/testbed/tone"
)

func TestMain(m *testing.M) {
	sip.SetDefaultLogger(slog.New(slog.DiscardHandler)) // sipgo counts references of TCP connections loudly
	// A message that sipgo sends while it is being closed finds the listener gone and
	// opens a UDP socket of its own, which that Close no longer sees (v1.7.2).
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/emiago/sipgo/sip.(*TransportUDP).readUDPConnection"))
}

// run starts a PBX and stops it at the end of the test.
func run(t *testing.T, cfg pbx.Config) *pbx.PBX {
	t.Helper()
	cfg.Host = "127.0.0.1"
	p, err := pbx.New(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			t.Error("Run did not end")
		}
	})
	return p
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// The two ends of a call are two PBXs: each is a SIP user agent of its own.
func TestCallIsAnsweredAndBothSidesHear(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		for _, codec := range []string{"pcmu", "pcma", "opus"} {
			t.Run(transport+"/"+codec, func(t *testing.T) {
				t.Parallel()
				callee := run(t, pbx.Config{Extensions: map[string]pbx.Extension{
					"100": {RingFor: 50 * time.Millisecond, Codecs: []string{codec}, ToneHz: 440},
				}})
				caller := run(t, pbx.Config{Proxy: callee.Addr()})
				ctx := within(t, 20*time.Second)
				id, err := caller.Call(ctx, "sip:100@pbx.example;transport="+transport,
					pbx.Extension{Codecs: []string{"pcma", codec}, ToneHz: 1000},
					map[string]string{"X-Callctl-Purpose": "support"})
				require.NoError(t, err)
				up, err := caller.WaitState(ctx, id, "answered")
				require.NoError(t, err)
				require.Equal(t, codec, up.Codec)
				require.Equal(t, 200, up.Status)
				require.Eventually(t, func() bool {
					return callee.ToneLevel(id, 1000) > 0.8 && caller.ToneLevel(id, 440) > 0.8
				}, 10*time.Second, 200*time.Millisecond)
				require.NoError(t, caller.HangUp(id))
				ended, err := callee.WaitState(ctx, id, "ended")
				require.NoError(t, err)
				require.Equal(t, "peer", ended.EndedBy)
				require.Equal(t, "support", ended.Headers["X-Callctl-Purpose"])
				require.Zero(t, ended.Lost)
				require.Equal(t, 1, ended.SSRCs)
				require.ErrorIs(t, caller.HangUp(id), pbx.ErrNoCall)
			})
		}
	}
}

func TestOpusPayloadsArriveAsTheyWere(t *testing.T) {
	frames := tone.OpusFrames(30, 600)
	callee := run(t, pbx.Config{Transport: "udp", Extensions: map[string]pbx.Extension{
		"200": {Codecs: []string{"opus"}, Payloads: frames, HangUp: time.Second},
	}})
	caller := run(t, pbx.Config{Transport: "udp", Proxy: callee.Addr()})
	ctx := within(t, 10*time.Second)
	id, err := caller.Call(ctx, "sip:200@pbx.example", pbx.Extension{Codecs: []string{"opus"}, Payloads: frames})
	require.NoError(t, err)
	ended, err := caller.WaitState(ctx, id, "ended")
	require.NoError(t, err)
	require.Equal(t, "peer", ended.EndedBy, "the extension hangs up after a second")
	require.Equal(t, frames, ended.Payloads)
	require.Equal(t, frames, callee.Calls()[0].Payloads)
}

func TestExtensionsRefuse(t *testing.T) {
	callee := run(t, pbx.Config{Extensions: map[string]pbx.Extension{
		"busy": {Then: "busy"}, "decline": {Then: "decline", RingFor: 20 * time.Millisecond},
		"opus": {Codecs: []string{"opus"}},
	}})
	caller := run(t, pbx.Config{Proxy: callee.Addr()})
	for extension, status := range map[string]int{"busy": 486, "decline": 603, "nobody": 404, "opus": 488} {
		t.Run(extension, func(t *testing.T) {
			ctx := within(t, 5*time.Second)
			id, err := caller.Call(ctx, "sip:"+extension+"@pbx.example", pbx.Extension{Codecs: []string{"pcmu"}})
			require.NoError(t, err)
			refused, err := caller.WaitState(ctx, id, "refused")
			require.NoError(t, err)
			require.Equal(t, status, refused.Status)
			require.Equal(t, "peer", refused.EndedBy)
		})
	}
}

func TestCancelWhileItRings(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			callee := run(t, pbx.Config{Extensions: map[string]pbx.Extension{"300": {Then: "ignore"}}})
			caller := run(t, pbx.Config{Proxy: callee.Addr()})
			ctx := within(t, 5*time.Second)
			id, err := caller.Call(ctx, "sip:300@pbx.example;transport="+transport, pbx.Extension{})
			require.NoError(t, err)
			_, err = callee.WaitState(ctx, id, "ringing")
			require.NoError(t, err)
			require.NoError(t, caller.HangUp(id))
			here, err := caller.WaitState(ctx, id, "cancelled")
			require.NoError(t, err)
			require.Equal(t, 487, here.Status)
			there, err := callee.WaitState(ctx, id, "cancelled")
			require.NoError(t, err)
			require.Equal(t, "peer", there.EndedBy)
		})
	}
}

func TestCalleeGivesUpWhileItRings(t *testing.T) {
	callee := run(t, pbx.Config{Extensions: map[string]pbx.Extension{"300": {Then: "ignore"}}})
	caller := run(t, pbx.Config{Proxy: callee.Addr()})
	ctx := within(t, 5*time.Second)
	id, err := caller.Call(ctx, "sip:300@pbx.example", pbx.Extension{})
	require.NoError(t, err)
	_, err = callee.WaitState(ctx, id, "ringing")
	require.NoError(t, err)
	require.NoError(t, callee.HangUp(id))
	refused, err := caller.WaitState(ctx, id, "refused")
	require.NoError(t, err)
	require.Equal(t, 480, refused.Status)
}

func TestStoppingEndsLiveCalls(t *testing.T) {
	callee := run(t, pbx.Config{Extensions: map[string]pbx.Extension{"100": {}}})
	caller, err := pbx.New(pbx.Config{Host: "127.0.0.1", Proxy: callee.Addr()})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- caller.Run(ctx) }()
	id, err := caller.Call(ctx, "sip:100@pbx.example", pbx.Extension{})
	require.NoError(t, err)
	_, err = callee.WaitState(within(t, 5*time.Second), id, "answered")
	require.NoError(t, err)
	cancel()
	ended, err := callee.WaitState(within(t, 5*time.Second), id, "ended")
	require.NoError(t, err)
	require.Equal(t, "peer", ended.EndedBy)
	<-done
	_, err = caller.Call(t.Context(), "sip:100@pbx.example", pbx.Extension{})
	require.ErrorIs(t, err, pbx.ErrStopped)
}

func TestBothTransportsShareThePort(t *testing.T) {
	p := run(t, pbx.Config{})
	require.True(t, strings.HasPrefix(p.Addr(), "127.0.0.1:"))
	_, err := pbx.New(pbx.Config{Host: "127.0.0.1", Transport: "carrier pigeon"})
	require.ErrorIs(t, err, pbx.ErrTransport)
}
