package sipbridge_test

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/sipbridge"
	"github.com/callctl/callctl/testbed/handset"
	"github.com/callctl/callctl/testbed/pbx"
)

// TestLogsNameNobody: the provider's ids hold phone numbers in base64, so they are
// as private as the numbers. Both go to the PBX and into the record.
func TestLogsNameNobody(t *testing.T) {
	var out lockedBuffer
	logs := func(cfg *sipbridge.Config) {
		cfg.Logger = slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	wacid := "wacid." + base64.StdEncoding.EncodeToString([]byte("\x1c\x18\x0a"+user[1:]+"\x15\x02\x00"))
	p := newPBX(t, "udp", pbx.Extension{})
	r := newRig(t, trunkOf(p, "udp"), logs)
	h := r.phone(handset.Behaviour{Codecs: []string{"pcmu"}})
	r.carrier.onAccept(func(context.Context, string, string) error {
		return &sipbridge.CarrierError{Code: 138004, Status: 400, Message: "no"}
	})
	r.ring(h, wacid, time.Now())
	require.Equal(t, wacid, r.records(1)[0].Wacid)
	require.Equal(t, wacid, p.Calls()[0].Headers["X-Callctl-Wacid"])

	r.ring(h, wacid, time.Now()) // repeated
	r.deliver(wacid+"x", sipbridge.CarrierTerminated)
	r.deliver(wacid+"y", sipbridge.CarrierConnect, func(e *sipbridge.Event) {
		e.Direction, e.SDPType, e.SDP = sipbridge.UserInitiated, "offer", "not SDP about "+user
	})
	r.records(2)
	r.carrier.onConnect(func(context.Context, string, string, string) error { return errors.ErrUnsupported })
	_, results := r.call(sipbridge.Originate{})
	r.live("ringing")
	require.Equal(t, 1, r.bridge.HangUpUser("do_not_call", user))
	r.wait(results)
	r.stop()

	require.Contains(t, out.String(), "call ending")
	require.NotContains(t, out.String(), user[1:])
	require.NotContains(t, out.String(), business[1:])
	require.NotContains(t, out.String(), wacid[:20])
}
