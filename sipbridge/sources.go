package sipbridge

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"
)

// sources are the addresses that may speak SIP to us: those of the trunk. The
// check runs before a datagram is parsed and before a connection is read.
type sources struct {
	host    string
	literal bool
	list    atomic.Pointer[map[netip.Addr]struct{}]
}

const (
	sourceRefresh = time.Minute
	lookupTimeout = 5 * time.Second
)

func newSources(host string) *sources {
	s := &sources{host: host}
	s.list.Store(&map[netip.Addr]struct{}{})
	if a, err := netip.ParseAddr(host); err == nil {
		s.literal = true
		s.list.Store(&map[netip.Addr]struct{}{a.Unmap(): {}})
	}
	return s
}

func (s *sources) allowed(a net.Addr) bool {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return false
	}
	_, ok := (*s.list.Load())[ap.Addr().Unmap().WithZone("")]
	return ok
}

// filter is sipgo's read filter: what it returns empty is dropped unseen, before
// sipgo remembers the source.
func (s *sources) filter(p sip.TransportReadProps, raw []byte) ([]byte, error) {
	if !s.allowed(p.RemoteAddr) {
		return nil, nil
	}
	return raw, nil
}

// run looks the trunk's name up again and again until ctx ends. An address
// literal needs no looking up.
func (s *sources) run(ctx context.Context, log *slog.Logger) {
	if s.literal {
		<-ctx.Done()
		return
	}
	tick := time.NewTicker(sourceRefresh)
	defer tick.Stop()
	for {
		s.lookup(ctx, log)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (s *sources) lookup(ctx context.Context, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", s.host)
	if err != nil {
		if ctx.Err() == nil {
			log.Warn("trunk name does not resolve; keeping the addresses known", "error", err)
		}
		return
	}
	list := make(map[netip.Addr]struct{}, len(found))
	for _, a := range found {
		list[a.Unmap()] = struct{}{}
	}
	s.list.Store(&list)
}

// trunkListener closes connections of other sources before a byte is read.
type trunkListener struct {
	net.Listener
	sources *sources
}

// Accept implements net.Listener.
func (l trunkListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.sources.allowed(c.RemoteAddr()) {
			return c, nil
		}
		_ = c.Close()
	}
}
