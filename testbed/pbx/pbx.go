package pbx

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strconv"
	"sync"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"
)

// Config of the PBX.
type Config struct {
	Host       string // an IP address such as 127.0.0.1
	Port       int    // 0: any that is free
	Transport  string // "udp", "tcp", or "both" (also when empty), which share one port
	Extensions map[string]Extension
	Proxy      string // host:port that outgoing INVITEs go to, whatever their URI says
}

// PBX answers INVITEs for its extensions and places calls. Its methods are safe
// for concurrent use.
type PBX struct {
	host    string
	port    int
	agent   *sipgo.UserAgent
	server  *sipgo.Server
	clients map[string]*sipgo.Client // by transport: udp, tcp
	packets net.PacketConn           // nil without udp
	streams net.Listener             // nil without tcp
	calling sync.WaitGroup           // one for every call that lives

	mu         sync.Mutex
	extensions map[string]Extension
	proxy      string
	calls      []*call
	byTag      map[string]*call // by our tag of the dialog
	dial       chan func(context.Context)
	stopped    bool
	done       chan struct{} // closed when Run takes no more calls
	changed    chan struct{}
}

// New opens the sockets.
func New(cfg Config) (*PBX, error) {
	quiet := slog.New(slog.DiscardHandler)
	agent, err := sipgo.NewUA(
		sipgo.WithUserAgent("callctl-testbed-pbx"),
		sipgo.WithUserAgentHostname(cfg.Host),
		sipgo.WithUserAgentTransportLayerOptions(sip.WithTransportLayerLogger(quiet)),
		sipgo.WithUserAgentTransactionLayerOptions(sip.WithTransactionLayerLogger(quiet)),
	)
	if err != nil {
		return nil, fmt.Errorf("pbx: %w", err)
	}
	server, err := sipgo.NewServer(agent, sipgo.WithServerLogger(quiet))
	if err != nil {
		return nil, fmt.Errorf("pbx: %w", err)
	}
	p := &PBX{
		host: cfg.Host, agent: agent, server: server, clients: map[string]*sipgo.Client{},
		extensions: maps.Clone(cfg.Extensions), proxy: cfg.Proxy, byTag: map[string]*call{},
		dial: make(chan func(context.Context)), changed: make(chan struct{}),
		done: make(chan struct{}),
	}
	if p.extensions == nil {
		p.extensions = map[string]Extension{}
	}
	if err := p.listen(cfg); err != nil {
		return nil, err
	}
	if err := p.connect(quiet); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// Addr is host:port of the SIP socket.
func (p *PBX) Addr() string { return net.JoinHostPort(p.host, strconv.Itoa(p.port)) }

// SetExtension sets or replaces an extension. Calls that live keep what they had.
func (p *PBX) SetExtension(name string, e Extension) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.extensions[name] = e
}

// SetProxy sets host:port that outgoing INVITEs go to.
func (p *PBX) SetProxy(address string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.proxy = address
}

// Calls are all calls so far, in order. Their payloads are shared: do not change
// them.
func (p *PBX) Calls() []Call {
	p.mu.Lock()
	calls := slices.Clone(p.calls)
	p.mu.Unlock()
	list := make([]Call, len(calls))
	for i, c := range calls {
		list[i] = c.snapshot()
	}
	return list
}

// ToneLevel is the share (0 to 1) of the energy heard in the last second of a
// call that is at hz. It is 0 for an unknown call.
func (p *PBX) ToneLevel(callID string, hz float64) float64 {
	c := p.find(callID)
	if c == nil {
		return 0
	}
	return c.media.receiver().ToneLevel(hz)
}

// HangUp sends BYE; while it rings, a final error (480) for a call that came in
// and CANCEL for a call that goes out.
func (p *PBX) HangUp(callID string) error {
	c := p.find(callID)
	if c == nil || c.over() {
		return ErrNoCall
	}
	select {
	case c.hangUp <- struct{}{}:
	default: // it is hanging up already
	}
	return nil
}

// find is the newest call with the Call-ID.
func (p *PBX) find(callID string) *call {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range slices.Backward(p.calls) {
		if c.record.CallID == callID {
			return c
		}
	}
	return nil
}

// Close frees the sockets of a PBX whose Run was never called.
func (p *PBX) Close() error {
	var failures []error
	if p.packets != nil {
		failures = append(failures, p.packets.Close())
	}
	if p.streams != nil {
		failures = append(failures, p.streams.Close())
	}
	failures = append(failures, p.agent.Close())
	return errors.Join(failures...)
}
