package media

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// DefaultQuarantine is how long a freed port rests before it is handed out again,
// so that late packets of one call never reach the next.
const DefaultQuarantine = 30 * time.Second

// ephemeralTries bounds how often the kernel is asked for another port when it
// offers one that is still resting.
const ephemeralTries = 16

// PortsConfig bounds the UDP ports of the media plane.
type PortsConfig struct {
	Bind       netip.Addr // local address to bind, such as 0.0.0.0 or 127.0.0.1
	Public     netip.Addr // address written into SDP and candidates; zero means Bind
	Internal   netip.Addr // address told to the PBX instead, when it sits on our LAN; zero means Public
	First      uint16     // even; both zero means any free port
	Last       uint16
	Quarantine time.Duration    // how long a freed port rests; 0 means 30 s
	Now        func() time.Time // clock of the quarantine; nil means time.Now
}

// Ports hands out UDP sockets. Safe for concurrent use.
type Ports struct {
	cfg PortsConfig

	mu     sync.Mutex
	next   uint16 // even port of the range to try first
	inUse  map[uint16]struct{}
	rested map[uint16]time.Time // freed port -> when it may be used again
}

// NewPorts checks cfg. It opens nothing.
func NewPorts(cfg PortsConfig) (*Ports, error) {
	if !cfg.Bind.IsValid() {
		return nil, fmt.Errorf("%w: ports: no bind address", ErrConfig)
	}
	cfg.Bind = cfg.Bind.Unmap()
	if !cfg.Public.IsValid() {
		cfg.Public = cfg.Bind
	}
	cfg.Public = cfg.Public.Unmap()
	if !cfg.Internal.IsValid() {
		cfg.Internal = cfg.Public
	}
	cfg.Internal = cfg.Internal.Unmap()
	for _, told := range []netip.Addr{cfg.Public, cfg.Internal} {
		if told.IsUnspecified() || told.IsMulticast() {
			return nil, fmt.Errorf("%w: ports: peers cannot be told the address %s", ErrConfig, told)
		}
		if cfg.Bind.Is4() != told.Is4() {
			return nil, fmt.Errorf("%w: ports: bind address and the one told to peers are of different families", ErrConfig)
		}
	}
	if (cfg.First == 0) != (cfg.Last == 0) || cfg.First%2 != 0 || cfg.Last < cfg.First {
		return nil, fmt.Errorf("%w: ports: range %d-%d must start even and not be empty", ErrConfig, cfg.First, cfg.Last)
	}
	if cfg.Quarantine == 0 {
		cfg.Quarantine = DefaultQuarantine
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	p := &Ports{cfg: cfg, inUse: map[uint16]struct{}{}, rested: map[uint16]time.Time{}}
	if cfg.First != 0 {
		slots := (int(cfg.Last) - int(cfg.First) + 2) / 2
		p.next = cfg.First + uint16(2*rand.IntN(slots)) //nolint:gosec // spread, not secrecy; below Last by construction
	}

	return p, nil
}

// Open is the number of sockets now handed out.
func (p *Ports) Open() int {
	p.mu.Lock()
	defer p.mu.Unlock()

	return len(p.inUse)
}

// socket is one UDP socket handed out by Ports.
type socket struct {
	*net.UDPConn

	public   netip.AddrPort // what peers are told
	internal netip.AddrPort // what the PBX is told
	ports    *Ports
	once     sync.Once
	err      error
}

// Close closes the socket and puts its port to rest. Safe to call twice.
func (s *socket) Close() error {
	s.once.Do(func() {
		s.err = s.UDPConn.Close()
		s.ports.free(s.public.Port())
	})

	return s.err
}

// open binds one socket, or returns ErrNoPort.
func (p *Ports) open() (*socket, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.cfg.Now()
	for port, until := range p.rested {
		if !now.Before(until) {
			delete(p.rested, port)
		}
	}
	if p.cfg.First == 0 {
		return p.openAny()
	}

	return p.openInRange()
}

func (p *Ports) openInRange() (*socket, error) {
	slots := (int(p.cfg.Last) - int(p.cfg.First) + 2) / 2
	for range slots {
		port := p.next
		p.next += 2
		if p.next > p.cfg.Last || p.next < p.cfg.First {
			p.next = p.cfg.First
		}
		if _, busy := p.inUse[port]; busy {
			continue
		}
		if _, resting := p.rested[port]; resting {
			continue
		}
		conn, err := p.bind(port)
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			return nil, err
		}

		return p.handOut(conn)
	}

	return nil, ErrNoPort
}

func (p *Ports) openAny() (*socket, error) {
	var resting []*net.UDPConn // kept open so that the kernel does not offer them again
	defer func() {
		for _, conn := range resting {
			_ = conn.Close()
		}
	}()
	for range ephemeralTries {
		conn, err := p.bind(0)
		if err != nil {
			return nil, err
		}
		if _, rests := p.rested[localPort(conn)]; rests {
			resting = append(resting, conn)

			continue
		}

		return p.handOut(conn)
	}

	return nil, ErrNoPort
}

func (p *Ports) bind(port uint16) (*net.UDPConn, error) {
	network := "udp4"
	if p.cfg.Bind.Is6() {
		network = "udp6"
	}
	conn, err := net.ListenUDP(network, net.UDPAddrFromAddrPort(netip.AddrPortFrom(p.cfg.Bind, port)))
	if err != nil {
		return nil, fmt.Errorf("media: bind a UDP port: %w", err)
	}

	return conn, nil
}

func (p *Ports) handOut(conn *net.UDPConn) (*socket, error) {
	port := localPort(conn)
	if port == 0 {
		_ = conn.Close()

		return nil, ErrNoPort
	}
	p.inUse[port] = struct{}{}

	return &socket{
		UDPConn: conn, ports: p,
		public: netip.AddrPortFrom(p.cfg.Public, port), internal: netip.AddrPortFrom(p.cfg.Internal, port),
	}, nil
}

func (p *Ports) free(port uint16) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.inUse, port)
	p.rested[port] = p.cfg.Now().Add(p.cfg.Quarantine)
}

func localPort(conn *net.UDPConn) uint16 {
	addr, ok := conn.LocalAddr().(*net.UDPAddr)
	if !ok {
		return 0
	}

	return addr.AddrPort().Port()
}
