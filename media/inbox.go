package media

import (
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/transport/v5/deadline"
)

// inboxDepth bounds the datagrams that wait for the ICE agent or for DTLS. A flood
// fills it and is dropped; a handshake flight is at most a handful.
const inboxDepth = 32

// inbox is the [net.PacketConn] through which the ICE agent or the DTLS connection
// sees the shared socket: it reads the datagrams that the socket's reading
// goroutine sorted out for it, and writes straight to the socket.
type inbox struct {
	sock    *socket
	local   net.Addr
	packets chan datagram
	only    atomic.Pointer[netip.AddrPort] // when set, others are discarded
	expiry  *deadline.Deadline
	closed  chan struct{}
	once    sync.Once
}

type datagram struct {
	octets []byte
	from   netip.AddrPort
}

func newInbox(sock *socket) *inbox {
	return &inbox{
		sock: sock, local: net.UDPAddrFromAddrPort(sock.public),
		packets: make(chan datagram, inboxDepth), expiry: deadline.New(), closed: make(chan struct{}),
	}
}

// deliver copies one datagram in. It reports false when it was dropped because
// nobody keeps up. It never blocks.
func (i *inbox) deliver(b []byte, from netip.AddrPort) bool {
	if len(i.packets) == cap(i.packets) {
		return false // without copying
	}
	select {
	case i.packets <- datagram{octets: append([]byte(nil), b...), from: from}:
		return true
	default:
		return false
	}
}

// ReadFrom returns the next datagram, [os.ErrDeadlineExceeded] or [net.ErrClosed].
func (i *inbox) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		select {
		case <-i.closed:
			return 0, nil, net.ErrClosed
		case <-i.expiry.Done():
			return 0, nil, os.ErrDeadlineExceeded
		default:
		}
		select {
		case <-i.closed:
			return 0, nil, net.ErrClosed
		case <-i.expiry.Done():
			return 0, nil, os.ErrDeadlineExceeded
		case d := <-i.packets:
			if only := i.only.Load(); only != nil && *only != d.from {
				continue
			}

			return copy(b, d.octets), net.UDPAddrFromAddrPort(d.from), nil
		}
	}
}

// WriteTo sends one datagram from the shared socket.
func (i *inbox) WriteTo(b []byte, addr net.Addr) (int, error) {
	select {
	case <-i.closed:
		return 0, net.ErrClosed
	default:
	}
	udp, ok := addr.(*net.UDPAddr)
	if !ok {
		return 0, net.InvalidAddrError("not a UDP address")
	}
	to := udp.AddrPort()

	return i.sock.WriteToUDPAddrPort(b, netip.AddrPortFrom(to.Addr().Unmap(), to.Port()))
}

// Close ends readers; the shared socket stays open.
func (i *inbox) Close() error {
	i.once.Do(func() { close(i.closed) })

	return nil
}

// LocalAddr is the public address, the one that a candidate names.
func (i *inbox) LocalAddr() net.Addr { return i.local }

// SetDeadline is SetReadDeadline: a UDP write does not block.
func (i *inbox) SetDeadline(t time.Time) error { return i.SetReadDeadline(t) }

// SetReadDeadline bounds ReadFrom.
func (i *inbox) SetReadDeadline(t time.Time) error {
	i.expiry.Set(t)

	return nil
}

// SetWriteDeadline does nothing: a UDP write does not block.
func (i *inbox) SetWriteDeadline(time.Time) error { return nil }

// stunMux is the [ice.UDPMux] of one call: one socket, one agent. It offers the
// public address as the only host candidate, whatever address is bound.
type stunMux struct{ inbox *inbox }

var _ ice.UDPMux = stunMux{}

// GetListenAddresses returns the public address and port.
func (m stunMux) GetListenAddresses() []net.Addr { return []net.Addr{m.inbox.local} }

// GetConn returns the inbox of STUN messages.
func (m stunMux) GetConn(string, net.Addr) (net.PacketConn, error) { return m.inbox, nil }

// RemoveConnByUfrag ends the agent's reader.
func (m stunMux) RemoveConnByUfrag(string) { _ = m.inbox.Close() }

// Close ends the agent's reader.
func (m stunMux) Close() error { return m.inbox.Close() }
