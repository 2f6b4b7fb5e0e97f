package handset

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/pion/rtp"

	"github.com/callctl/callctl/testbed/stream"
)

// Run does ICE, DTLS and media until ctx ends, and leaves no goroutine. Media is
// sent only after PickUp and after the first packet from callctl came. It returns
// Err; it may be called once.
func (h *Handset) Run(ctx context.Context) error {
	h.mu.Lock()
	again := h.running
	h.running = true
	h.mu.Unlock()
	if again {
		return ErrRunning
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var reading, working sync.WaitGroup
	reading.Go(func() {
		defer cancel() // Close ends Run
		h.read()
	})
	working.Go(func() { h.fail(h.handshake(ctx)) })
	working.Go(func() { h.fail(h.speak(ctx)) })
	<-ctx.Done()
	working.Wait() // says goodbye while the socket is open
	_ = h.Close()
	reading.Wait()
	return h.Err()
}

func (h *Handset) fail(err error) {
	if err == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.failure == nil {
		h.failure = err
	}
}

// read takes datagrams apart by their first byte (RFC 7983) until the socket is
// closed.
func (h *Handset) read() {
	buffer := make([]byte, 2048)
	for {
		n, from, err := h.socket.ReadFromUDPAddrPort(buffer)
		if err != nil {
			return
		}
		h.packetsIn.Add(1)
		if n == 0 {
			continue
		}
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		switch first := buffer[0]; {
		case first <= 3:
			h.connectivityCheck(buffer[:n], from)
		case first >= 20 && first <= 63:
			_, _ = h.dtlsIn.Write(buffer[:n], nil) // a full buffer drops, as a network does
		case first >= 128 && first <= 191:
			h.media(buffer[:n])
		}
	}
}

// media opens one SRTP packet, or an SRTCP packet (RFC 5761 section 4).
func (h *Handset) media(datagram []byte) {
	keys := h.keys.Load()
	if keys == nil || len(datagram) < 12 {
		return
	}
	if datagram[1] >= 192 && datagram[1] <= 223 {
		h.reportIn(keys, datagram)
		return
	}
	keys.inMu.Lock()
	plain, err := keys.in.DecryptRTP(nil, datagram, nil)
	keys.inMu.Unlock()
	if err != nil {
		return
	}
	var packet rtp.Packet
	if packet.Unmarshal(plain) != nil {
		return
	}
	receiver := h.receiver()
	unheard := !h.sent.Load()
	if receiver.Take(&packet, time.Now()) {
		if unheard {
			receiver.PeerFirst()
		}
		close(h.heardOne)
	}
	h.signal()
}

// speak sends the user's audio.
func (h *Handset) speak(ctx context.Context) error {
	h.mu.Lock()
	pickedUp := h.pickedUp
	h.mu.Unlock()
	conditions := []chan struct{}{h.keyed, pickedUp}
	if !h.behaviour.SendFirst {
		conditions = append(conditions, h.heardOne)
	}
	for _, condition := range conditions {
		select {
		case <-condition:
		case <-ctx.Done():
			return nil
		}
	}
	h.mu.Lock()
	sender := stream.Sender{
		Codec: h.codecs[0], SSRC: h.ssrcLabel, ToneHz: h.behaviour.ToneHz,
		Payloads: h.behaviour.Payloads, Repeat: h.behaviour.Repeat, Write: h.write,
	}
	h.mu.Unlock()
	if err := sender.Run(ctx); err != nil && ctx.Err() == nil {
		return fmt.Errorf("handset: %w", err)
	}
	return nil
}

func (h *Handset) write(packet *rtp.Packet) error {
	plain, err := packet.Marshal()
	if err != nil {
		return fmt.Errorf("handset: %w", err)
	}
	keys := h.keys.Load()
	keys.outMu.Lock()
	sealed, err := keys.out.EncryptRTP(nil, plain, nil)
	keys.outMu.Unlock()
	if err != nil {
		return fmt.Errorf("handset: %w", err)
	}
	h.sent.Store(true)
	h.octets.Add(uint32(len(packet.Payload)))
	h.lastTimestamp.Store(packet.Timestamp)
	h.spoken.Add(1)
	if _, err := h.socket.WriteToUDPAddrPort(sealed, *h.nominatedTo.Load()); err != nil {
		return fmt.Errorf("handset: %w", err)
	}
	return nil
}
