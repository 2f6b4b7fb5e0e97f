package pbx

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/pion/rtp"

	"github.com/callctl/callctl/testbed/stream"
)

// media is the RTP end of one call (RFC 3550), on a socket of its own.
type media struct {
	socket *net.UDPConn
	wg     sync.WaitGroup
	cancel context.CancelFunc

	mu      sync.Mutex
	to      netip.AddrPort
	receive *stream.Receiver
}

func newMedia(host string) (*media, error) {
	address, err := netip.ParseAddr(host)
	if err != nil {
		return nil, fmt.Errorf("pbx: host: %w", err)
	}
	socket, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(address, 0)))
	if err != nil {
		return nil, fmt.Errorf("pbx: RTP: %w", err)
	}
	return &media{socket: socket, receive: stream.NewReceiver(nil, nil)}, nil
}

func (m *media) local() netip.AddrPort {
	address, _ := netip.ParseAddrPort(m.socket.LocalAddr().String())
	return address
}

// start sends the extension's audio to the other side's address and hears what
// comes, until stop.
func (m *media) start(ctx context.Context, to netip.AddrPort, codec stream.Codec, events []uint8, e Extension) {
	ctx, m.cancel = context.WithCancel(ctx)
	receiver := stream.NewReceiver([]stream.Codec{codec}, events)
	m.mu.Lock()
	m.to, m.receive = to, receiver
	m.mu.Unlock()
	sender := stream.Sender{
		Codec: codec, ToneHz: e.ToneHz, Payloads: e.Payloads, Repeat: e.Repeat,
		Write: func(packet *rtp.Packet) error {
			datagram, err := packet.Marshal()
			if err != nil {
				return fmt.Errorf("pbx: %w", err)
			}
			// A refused datagram is lost, as on any network; the call decides when it ends.
			_, _ = m.socket.WriteToUDPAddrPort(datagram, to)
			return nil
		},
	}
	m.wg.Go(func() { _ = sender.Run(ctx) })
	m.wg.Go(func() { m.read(receiver) })
}

func (m *media) read(receiver *stream.Receiver) {
	buffer := make([]byte, 2048)
	for {
		n, err := m.socket.Read(buffer)
		if err != nil {
			return
		}
		if n >= 2 && buffer[1] >= 192 && buffer[1] <= 223 {
			continue // RTCP (RFC 5761 section 4)
		}
		var packet rtp.Packet
		if packet.Unmarshal(buffer[:n]) == nil {
			receiver.Take(&packet, time.Now())
		}
	}
}

func (m *media) receiver() *stream.Receiver {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.receive
}

// stop frees the socket and waits for both directions.
func (m *media) stop() {
	if m.cancel != nil {
		m.cancel()
	}
	_ = m.socket.Close()
	m.wg.Wait()
}
