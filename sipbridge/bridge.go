package sipbridge

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/geo"
	"github.com/callctl/callctl/media"
)

// Account is one WhatsApp business number.
type Account struct {
	Name     string
	Business geo.E164
	Carrier  Carrier
	Codecs   []media.Codec // offered to WhatsApp, in order; empty means Opus
	Agent    string        // where calls from users go: extension or SIP URI on the trunk
	Record   bool          // write what both sides say, from bridging on, to files in Config.RecordDir
}

// Trunk is the PBX.
type Trunk struct {
	Name     string
	URI      string // sip:host:port;transport=udp|tcp
	Username string
	Password string
	Codecs   []media.Codec // offered to the PBX, in order; empty means Opus, PCMU, PCMA
}

// Timeouts of a call; zero values take the defaults named.
type Timeouts struct {
	AgentRing   time.Duration // PBX must answer within; 45 s
	UserRing    time.Duration // the WhatsApp user must answer within; 60 s
	Stale       time.Duration // a connect event older than this never rings; 60 s
	MediaUp     time.Duration // ICE and DTLS must be up within, once the user answered; 15 s
	Carrier     time.Duration // one request to the provider; 20 s
	LostConnect time.Duration // how long to wait for events of a connect whose answer was lost; 10 s
}

func (t Timeouts) withDefaults() Timeouts {
	set := func(d *time.Duration, def time.Duration) {
		if *d <= 0 {
			*d = def
		}
	}
	set(&t.AgentRing, 45*time.Second)
	set(&t.UserRing, 60*time.Second)
	set(&t.Stale, 60*time.Second)
	set(&t.MediaUp, 15*time.Second)
	set(&t.Carrier, 20*time.Second)
	set(&t.LostConnect, 10*time.Second)
	return t
}

// Config is what a Bridge needs.
type Config struct {
	Accounts []Account
	Trunk    Trunk
	Listen   []string // "udp://127.0.0.1:5060", "tcp://127.0.0.1:5060"
	Contact  string   // host written into Contact and Via; the listen address when empty
	Gate     Gate
	Ledger   Ledger
	Log      *audit.Log
	Read     *sql.DB
	Ports    *media.Ports
	// RecordDir is the folder of the recordings, needed when an account records.
	RecordDir string
	Timeouts  Timeouts
	Now       func() time.Time
	NewID     func() string
	Logger    *slog.Logger
	// OnEnded is called with every CDR once it is durable; it must not block.
	// Nil is allowed.
	OnEnded func(CDR)

	giveUp time.Duration // 64*T1 unless a test shortens it
}

// Bridge owns the calls. Safe for concurrent use.
type Bridge struct {
	cfg   Config
	trunk peerTrunk
	ua    *userAgent
	log   *slog.Logger

	mu     sync.Mutex
	phase  bridgePhase
	held   []Event          // delivered before Run took calls
	calls  map[string]*call // by our id
	wacids map[string]*call // by the provider's
	marks  *tombstones
	wg     sync.WaitGroup // calls and detached requests to carriers
	ready  chan struct{}

	cut    context.Context //nolint:containedctx // ends when Run stops waiting for providers
	cutOff context.CancelFunc
}

type bridgePhase int

const (
	opening bridgePhase = iota // New was called; Run does not take calls yet
	running
	stopped
)

const (
	// drainGrace is how long Run waits at its end for the PBX to answer the BYEs
	// and for providers to answer what is on its way.
	drainGrace = 5 * time.Second
	// lastWord is how long a terminate or reject may take after that.
	lastWord = 3 * time.Second
	// maxHeld bounds the events that are kept until Run takes calls.
	maxHeld = 1000
)

// New opens the SIP sockets and checks cfg; it starts nothing.
func New(cfg Config) (*Bridge, error) {
	trunk, err := parseTrunk(cfg.Trunk)
	if err != nil {
		return nil, err
	}
	if err := checkConfig(cfg, trunk); err != nil {
		return nil, err
	}
	cfg.Timeouts = cfg.Timeouts.withDefaults()
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.NewID == nil {
		cfg.NewID = uuid.NewString
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if len(trunk.Codecs) == 0 {
		trunk.Codecs = []media.Codec{media.Opus, media.PCMU, media.PCMA}
	}
	b := &Bridge{
		cfg: cfg, trunk: trunk, log: cfg.Logger,
		calls: map[string]*call{}, wacids: map[string]*call{}, marks: newTombstones(cfg.Now),
		ready: make(chan struct{}),
	}
	b.cut, b.cutOff = context.WithCancel(context.Background())
	if b.ua, err = newUserAgent(cfg, trunk, cfg.Logger); err != nil {
		return nil, err
	}
	b.ua.invited = b.invited
	return b, nil
}

func checkConfig(cfg Config, trunk peerTrunk) error {
	switch {
	case cfg.Gate == nil, cfg.Ledger == nil, cfg.Log == nil, cfg.Read == nil, cfg.Ports == nil:
		return fmt.Errorf("%w: gate, ledger, log, database and ports are required", ErrConfig)
	case len(cfg.Accounts) == 0:
		return fmt.Errorf("%w: no account", ErrConfig)
	}
	seen := map[string]bool{}
	for _, a := range cfg.Accounts {
		if a.Name == "" || a.Carrier == nil || seen[a.Name] || seen[string(a.Business)] {
			return fmt.Errorf("%w: accounts need a carrier, and a name and number of their own", ErrConfig)
		}
		if a.Record && cfg.RecordDir == "" {
			return fmt.Errorf("%w: account %s: recordings need a folder", ErrConfig, a.Name)
		}
		seen[a.Name], seen[string(a.Business)] = true, true
		if a.Agent == "" {
			continue
		}
		if _, err := trunk.agentURI(a.Agent); err != nil {
			return fmt.Errorf("%w: account %s: %w", ErrConfig, a.Name, err)
		}
	}
	return nil
}

// Run serves SIP and calls until ctx ends or a SIP socket fails, then ends every
// live call and waits for all of them. A PBX or provider that does not answer
// holds its end up for a few seconds only. Run is called once.
func (b *Bridge) Run(ctx context.Context) error {
	serveCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	broken := make(chan error, 1)
	served := make(chan struct{})
	go func() {
		defer close(served)
		b.ua.serve(serveCtx, broken)
	}()

	failed := b.ua.ready(ctx, broken)
	if failed == nil {
		b.open(ctx)
		select {
		case <-ctx.Done():
		case failed = <-broken:
		}
	}
	b.endAll()
	b.waitCalls(drainGrace)
	b.cutOff()
	stop()
	err := b.ua.close()
	<-served
	b.wg.Wait()
	if errors.Is(failed, context.Canceled) {
		failed = nil
	}
	return errors.Join(failed, err)
}

// Ready is closed once Run takes calls: Originate works and a user's connect
// rings. It stays open when Run ends before that.
func (b *Bridge) Ready() <-chan struct{} { return b.ready }

// Close frees the sockets of a bridge that was never run; after Run it does nothing.
func (b *Bridge) Close() error {
	b.cutOff()
	return b.ua.close()
}

// open lets calls in, those first whose events came before.
func (b *Bridge) open(ctx context.Context) {
	b.mu.Lock()
	b.phase = running
	held := b.held
	b.held = nil
	b.mu.Unlock()
	close(b.ready)
	for _, e := range held {
		b.Deliver(ctx, e)
	}
}

// hold keeps an event until Run takes calls; false when it does already, or will
// not any more.
func (b *Bridge) hold(e Event) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.phase != opening {
		return false
	}
	if len(b.held) == maxHeld {
		b.log.Error("event before the bridge runs dropped: too many", "kind", string(e.Kind))
		return true
	}
	b.held = append(b.held, e)
	return true
}

// endAll refuses new calls and ends the live ones.
func (b *Bridge) endAll() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := len(b.held); n > 0 {
		b.log.Warn("events dropped: the bridge ended before it ran", "events", n)
	}
	b.phase, b.held = stopped, nil
	for _, c := range b.calls {
		c.post(func() { c.end(causeOf(CauseShutdown)) })
	}
}

// waitCalls waits for every call to be gone from the wire, at most d.
func (b *Bridge) waitCalls(d time.Duration) {
	deadline := time.NewTimer(d)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		b.mu.Lock()
		n := len(b.calls)
		b.mu.Unlock()
		if n == 0 {
			return
		}
		select {
		case <-deadline.C:
			return
		case <-tick.C:
		}
	}
}

// ListenAddrs are the bound SIP addresses, as in Config.Listen with real ports.
func (b *Bridge) ListenAddrs() []string { return b.ua.addrs() }

func (b *Bridge) account(match func(*Account) bool) *Account {
	for i := range b.cfg.Accounts {
		if match(&b.cfg.Accounts[i]) {
			return &b.cfg.Accounts[i]
		}
	}
	return nil
}

// admit registers a call and starts its loop; it fails when the bridge does not
// run, the id is taken, or the provider's id belongs to a call that is live or
// was so lately. A terminate that came before its call is the first thing that
// the call hears, begin the second.
func (b *Bridge) admit(c *call, begin func()) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, taken := b.calls[c.id]; taken {
		return ErrDuplicateCall
	}
	if b.phase != running {
		return ErrNotRunning
	}
	if c.wacid != "" && (b.wacids[c.wacid] != nil || b.marks.ended(c.wacid)) {
		return ErrDuplicateCall
	}
	b.calls[c.id] = c
	if c.wacid != "" {
		b.wacids[c.wacid] = c
		for _, e := range b.marks.claim(c.wacid) {
			if e.Kind == CarrierTerminated {
				c.post(func() { c.onEvent(e) })
			}
		}
	}
	c.post(begin)
	b.wg.Go(c.run)
	return nil
}

// bind makes a call known by its provider's id and returns the events that came
// for that id before.
func (b *Bridge) bind(c *call, wacid string) []Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	c.wacid, c.bound = wacid, true
	b.wacids[wacid] = c
	return b.marks.claim(wacid)
}

// gone forgets a call that has ended, unless something was posted meanwhile; its
// provider's id stays marked, so that a late or repeated event starts nothing.
func (b *Bridge) gone(c *call) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !c.box.closeIfEmpty() {
		return false
	}
	delete(b.calls, c.id)
	if c.wacid != "" {
		delete(b.wacids, c.wacid)
		b.marks.bury(c.wacid)
	}
	if c.lost {
		b.marks.lose(c.id)
	}
	return true
}
