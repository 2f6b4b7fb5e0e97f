package sipbridge_test

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/media"
	"github.com/callctl/callctl/migrations"
	"github.com/callctl/callctl/sipbridge"
	"github.com/callctl/callctl/testbed/handset"
)

var errDatabase = errors.New("database is busy")

const (
	business = "+6531234567"
	user     = "+6591234567"
	patience = 10 * time.Second
)

// rig is a bridge with fakes around it.
type rig struct {
	t       *testing.T
	cfg     sipbridge.Config
	db      *migrations.DB
	bridge  *sipbridge.Bridge
	gate    *fakeGate
	ledger  *fakeLedger
	carrier *fakeCarrier
	log     *audit.Log
	ports   *media.Ports
	stop    func() // ends the bridge
}

type rigOption func(*sipbridge.Config)

// newRig runs a bridge towards the trunk.
func newRig(t *testing.T, trunk string, opts ...rigOption) *rig {
	t.Helper()
	r := idleRig(t, trunk, opts...)
	r.run()
	return r
}

// idleRig makes a bridge that does not run yet.
func idleRig(t *testing.T, trunk string, opts ...rigOption) *rig {
	t.Helper()
	dir := t.TempDir()
	db, err := migrations.Open(t.Context(), filepath.Join(dir, "callctl.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	log, err := audit.New(t.Context(), audit.Config{
		Write: db.Write, Read: db.Read, Dir: filepath.Join(dir, "keys"), Origin: "callctl/test", Now: time.Now,
	})
	require.NoError(t, err)
	loopback := netip.MustParseAddr("127.0.0.1")
	ports, err := media.NewPorts(media.PortsConfig{Bind: loopback, Public: loopback})
	require.NoError(t, err)
	r := &rig{t: t, db: db, gate: &fakeGate{}, ledger: &fakeLedger{}, carrier: newFakeCarrier(), log: log, ports: ports}
	r.cfg = sipbridge.Config{
		Accounts: []sipbridge.Account{{
			Name: "acme", Business: business, Carrier: r.carrier, Agent: "1001",
			Codecs: []media.Codec{media.Opus, media.PCMU, media.PCMA},
		}},
		Trunk:  sipbridge.Trunk{Name: "main", URI: trunk, Codecs: []media.Codec{media.PCMU, media.PCMA}},
		Listen: []string{"udp://127.0.0.1:0", "tcp://127.0.0.1:0"},
		Gate:   r.gate, Ledger: r.ledger, Log: log, Read: db.Read, Ports: ports, Logger: testLogger(),
	}
	for _, o := range opts {
		o(&r.cfg)
	}
	r.bridge, err = sipbridge.New(r.cfg)
	require.NoError(t, err)
	r.stop = func() { require.NoError(t, r.bridge.Close()) }
	t.Cleanup(func() { r.stop() })
	return r
}

// run runs the bridge until the test ends.
func (r *rig) run() {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- r.bridge.Run(ctx) }()
	select {
	case <-r.bridge.Ready():
	case <-time.After(patience):
		require.FailNow(r.t, "bridge does not take calls")
	}
	stopped := false
	r.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		require.NoError(r.t, <-ended)
		require.Empty(r.t, r.bridge.Live())
		require.Zero(r.t, r.ports.Open(), "media sockets left open")
	}
}

// restart ends the bridge and runs another on the same database.
func (r *rig) restart() {
	r.t.Helper()
	r.stop()
	var err error
	r.bridge, err = sipbridge.New(r.cfg)
	require.NoError(r.t, err)
	r.run()
}

func testLogger() *slog.Logger {
	if os.Getenv("CALLCTL_TEST_LOG") == "" {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// call originates and returns the id and a channel with the result.
func (r *rig) call(o sipbridge.Originate) (string, <-chan sipbridge.Result) {
	r.t.Helper()
	if o.Business == "" {
		o.Business = business
	}
	if o.User == "" {
		o.User = user
	}
	results := make(chan sipbridge.Result, 1)
	id, err := r.bridge.Originate(r.t.Context(), o, func(res sipbridge.Result) { results <- res })
	require.NoError(r.t, err)
	return id, results
}

func (r *rig) wait(results <-chan sipbridge.Result) sipbridge.Result {
	r.t.Helper()
	select {
	case res := <-results:
		return res
	case <-time.After(patience):
		require.FailNow(r.t, "call did not end")
		return sipbridge.Result{}
	}
}

// cdr waits for the record of a call.
func (r *rig) cdr(id string) sipbridge.CDR {
	r.t.Helper()
	var cdr sipbridge.CDR
	require.Eventually(r.t, func() bool {
		var ok bool
		var err error
		cdr, ok, err = r.bridge.CDR(context.Background(), id)
		return err == nil && ok
	}, patience, 5*time.Millisecond, "no record")
	return cdr
}

// live waits for a live call in the state.
func (r *rig) live(state string) sipbridge.LiveCall {
	r.t.Helper()
	var found sipbridge.LiveCall
	require.Eventually(r.t, func() bool {
		for _, l := range r.bridge.Live() {
			if l.State == state {
				found = l
				return true
			}
		}
		return false
	}, patience, 2*time.Millisecond, "no call became "+state)
	return found
}

// phone makes a handset that runs until the test ends.
func (r *rig) phone(b handset.Behaviour) *handset.Handset {
	r.t.Helper()
	return r.phoneAt("127.0.0.1", b)
}

func (r *rig) phoneAt(host string, b handset.Behaviour) *handset.Handset {
	r.t.Helper()
	h, err := handset.New(host, b)
	require.NoError(r.t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.t.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = h.Run(ctx)
	}()
	r.t.Cleanup(func() {
		cancel()
		<-done
	})
	return h
}

// deliver posts an event about a call.
func (r *rig) deliver(wacid string, kind sipbridge.EventKind, edit ...func(*sipbridge.Event)) {
	e := sipbridge.Event{Account: "acme", Wacid: wacid, Kind: kind, Direction: sipbridge.BusinessInitiated, User: user, At: time.Now()}
	for _, f := range edit {
		f(&e)
	}
	r.bridge.Deliver(r.t.Context(), e)
}

// answering lets the carrier answer every connect with a handset's description
// and the usual events, in the usual order.
func (r *rig) answering(h *handset.Handset) {
	r.carrier.onConnect(func(_ context.Context, wacid, offer, opaque string) error {
		answer, err := h.Answer(offer)
		if err != nil {
			return err
		}
		go func() {
			r.deliver(wacid, sipbridge.CarrierConnect, func(e *sipbridge.Event) { e.SDPType, e.SDP, e.Opaque = "answer", answer, opaque })
			r.deliver(wacid, sipbridge.CarrierRinging)
			r.deliver(wacid, sipbridge.CarrierAccepted)
		}()
		return nil
	})
}

// records waits until n calls have ended and returns them, newest first.
func (r *rig) records(n int) []sipbridge.CDR {
	r.t.Helper()
	var list []sipbridge.CDR
	require.Eventually(r.t, func() bool {
		var err error
		list, _, err = r.bridge.CDRs(context.Background(), 1000, "")
		return err == nil && len(list) >= n
	}, patience, 5*time.Millisecond, "records missing")
	require.Len(r.t, list, n)
	return list
}
