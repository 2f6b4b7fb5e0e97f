package media

import (
	"crypto/rand"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/pion/srtp/v3"
	"github.com/stretchr/testify/require"
)

func openFiles(tb testing.TB) int {
	tb.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(tb, err)

	return len(entries)
}

// settledGoroutines is the number of goroutines once those that are ending have
// ended.
func settledGoroutines() int {
	least := runtime.NumGoroutine()
	for range 20 {
		time.Sleep(10 * time.Millisecond)
		least = min(least, runtime.NumGoroutine())
	}

	return least
}

// secured makes the two ends of a link with random keys.
func secured(tb testing.TB, profile srtp.ProtectionProfile, peer netip.AddrPort) (ours, theirs *secureLink) {
	tb.Helper()
	keyLen, err := profile.KeyLen()
	require.NoError(tb, err)
	saltLen, err := profile.SaltLen()
	require.NoError(tb, err)
	context := func(key []byte) *srtp.Context {
		c, err := srtp.CreateContext(key[:keyLen], key[keyLen:keyLen+saltLen], profile,
			srtp.SRTPReplayProtection(replayWindow))
		require.NoError(tb, err)

		return c
	}
	a, b := make([]byte, 64), make([]byte, 64)
	_, _ = rand.Read(a)
	_, _ = rand.Read(b)

	return &secureLink{peer: peer, open: context(a), seal: context(b)},
		&secureLink{peer: peer, open: context(b), seal: context(a)}
}

// fixture is a relay whose streams were agreed on by hand: real sockets, no peer.
func fixture(tb testing.TB, web, pbx Codec) (*Relay, *secureLink) {
	tb.Helper()
	ports := testPorts(tb)
	w, err := NewWebRTCStream(StreamConfig{Ports: ports, Codecs: []Codec{web}})
	require.NoError(tb, err)
	p, err := NewRTPStream(StreamConfig{Ports: ports, Codecs: []Codec{pbx}})
	require.NoError(tb, err)
	sink, err := ports.open() // nobody reads it: the kernel drops
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = w.Close(); _ = p.Close(); _ = sink.Close() })
	agree := func(c Codec, event uint8) *route {
		return &route{
			codec: c, recvPT: c.payloadType(), sendPT: c.payloadType(), recvEvent: event, sendEvent: event,
			remote: sink.public, receives: true,
		}
	}
	w.route.Store(agree(web, webrtcEvent))
	p.route.Store(agree(pbx, rtpEvent))
	ours, theirs := secured(tb, srtp.ProtectionProfileAeadAes128Gcm, sink.public)
	w.link.Store(ours)
	r, err := NewRelay(RelayConfig{WhatsApp: w, PBX: p})
	require.NoError(tb, err)
	r.Start()

	return r, theirs
}

// plainPacket is an RTP packet of 60 octets of payload.
func plainPacket(c Codec, i int) []byte {
	b := make([]byte, rtpHeader+60, maxPacket)
	putHeader(b, c.payloadType(), false, uint16(i), uint32(i)*c.frame(), 77)

	return b
}

// sealedFixture is the direction to the PBX and what seals its packets.
func sealedFixture(tb testing.TB, codec Codec) (*toPBX, func(i int) []byte) {
	tb.Helper()
	r, peer := fixture(tb, codec, codec)
	d := newToPBX(r)
	require.False(tb, d.secured(netip.AddrPort{}))

	return d, func(i int) []byte {
		sealed, err := peer.seal.EncryptRTP(nil, plainPacket(codec, i), nil)
		require.NoError(tb, err)

		return sealed
	}
}

const packets = 2000

func TestForwardingToThePBXDoesNotAllocate(t *testing.T) {
	d, seal := sealedFixture(t, Opus)
	sealed := make([][]byte, packets+2)
	for i := range sealed {
		sealed[i] = seal(i)
	}
	i := 0
	allocated := testing.AllocsPerRun(packets, func() {
		n := copy(d.buf[:], sealed[i])
		i++
		if !d.receive(n, d.link.peer, time.Now()) {
			t.Fatal("dropped")
		}
	})
	require.Zero(t, allocated)
	require.EqualValues(t, packets+1, d.to.count.packetsOut.Load())
}

func TestForwardingToWhatsAppDoesNotAllocate(t *testing.T) {
	r, _ := fixture(t, Opus, Opus)
	d := newToWhatsApp(r)
	from := d.from.route.Load().remote
	plain := plainPacket(Opus, 0)
	i := 0
	allocated := testing.AllocsPerRun(packets, func() {
		putHeader(plain, Opus.payloadType(), false, uint16(i), uint32(i)*960, 77)
		n := copy(d.buf[:], plain)
		i++
		d.reportAt = time.Now().Add(time.Minute) // reports are not packets of the path
		if !d.receive(n, from, time.Now()) {
			t.Fatal("dropped")
		}
		_ = d.from.sock.SetReadDeadline(d.deadline())
	})
	require.Zero(t, allocated)
	require.EqualValues(t, packets+1, d.to.count.packetsOut.Load())
}

func TestSilenceDoesNotAllocate(t *testing.T) {
	r, _ := fixture(t, PCMU, PCMU)
	d := newToWhatsApp(r)
	now := time.Now()
	require.True(t, d.live())
	d.reportAt = now.Add(time.Hour)
	allocated := testing.AllocsPerRun(packets, func() {
		now = now.Add(frameTime)
		d.tick(now)
	})
	require.Zero(t, allocated)
	require.EqualValues(t, packets+1, d.to.count.silenceOut.Load())
}

func TestTranscodingDoesNotAllocate(t *testing.T) {
	r, _ := fixture(t, Opus, PCMU)
	d := newToWhatsApp(r)
	from := d.from.route.Load().remote
	source := newToneSource(t, PCMU, 440)
	i := 0
	var list [][]byte
	for j := range packets + 20 {
		b, err := source.packet(t, j).Marshal()
		require.NoError(t, err)
		list = append(list, b)
	}
	step := func() {
		n := copy(d.buf[:], list[i])
		i++
		d.reportAt = time.Now().Add(time.Minute)
		if !d.receive(n, from, time.Now()) {
			t.Fatal("dropped")
		}
	}
	for range 10 {
		step() // the codec grows its scratch space once
	}
	require.Zero(t, testing.AllocsPerRun(packets, step))
}

// TestTelephoneEventsKeepTheirPayloadAndGetTheOtherLegsNumber covers RFC 4733 over
// both ways of converting.
func TestTelephoneEventsKeepTheirPayloadAndGetTheOtherLegsNumber(t *testing.T) {
	t.Parallel()
	for _, codecs := range [][2]Codec{{PCMU, PCMU}, {Opus, PCMU}, {PCMA, PCMU}, {Opus, Opus}} {
		r, peer := fixture(t, codecs[0], codecs[1])
		d := newToWhatsApp(r)
		from := d.from.route.Load().remote
		capture := &capture{peer: peer}
		now := time.Now()
		send := func(b []byte) {
			t.Helper()
			capture.last = nil
			d.sender.outlet = capture
			require.True(t, d.receive(copy(d.buf[:], b), from, now))
			require.NotNil(t, capture.last)
		}
		event := func(seq int, timestamp uint32, marker bool, payload ...byte) []byte {
			b := make([]byte, rtpHeader, 64)
			putHeader(b, rtpEvent, marker, uint16(seq), timestamp, 77)

			return append(b, payload...)
		}
		audio := newToneSource(t, codecs[1], 440)
		first, err := audio.packet(t, 1).Marshal()
		require.NoError(t, err)
		putHeader(first, codecs[1].payloadType(), false, 1, codecs[1].frame(), 77)
		send(first)
		var p packet
		var stamp uint32
		seq := capture.seq()
		for i := range 5 {
			now = now.Add(frameTime)
			payload := []byte{5, 0x0A, byte(i), 160}
			send(event(2+i, 3*codecs[1].frame(), i == 0, payload...))
			require.True(t, p.parse(capture.last, len(capture.last)))
			require.EqualValues(t, webrtcEvent, p.pt)
			require.Equal(t, payload, p.payload(), "duration in units of 8 kHz, untouched")
			require.Equal(t, i == 0, p.marker)
			require.Equal(t, seq+uint16(i)+1, p.seq)
			if i == 0 {
				stamp = p.timestamp
			}
			require.Equal(t, stamp, p.timestamp, "one timestamp for one event")
		}
	}
}

// capture is an outlet that keeps the last packet.
type capture struct {
	peer *secureLink
	last []byte
}

func (c *capture) write(b []byte) bool {
	c.last = append([]byte(nil), b...)

	return true
}

func (c *capture) seq() uint16 {
	var p packet
	p.parse(c.last, len(c.last))

	return p.seq
}

func BenchmarkForwardToPBX(b *testing.B) {
	d, seal := sealedFixture(b, Opus)
	d.secured(netip.AddrPort{})
	var sealed [][]byte
	for i := range 60_000 {
		sealed = append(sealed, seal(i))
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if i%len(sealed) == 0 { // a new key, so that no packet is a replay
			b.StopTimer()
			d, seal = sealedFixture(b, Opus)
			d.secured(netip.AddrPort{})
			for j := range sealed {
				sealed[j] = seal(j)
			}
			b.StartTimer()
		}
		n := copy(d.buf[:], sealed[i%len(sealed)])
		if !d.receive(n, d.link.peer, time.Now()) {
			b.Fatal("dropped")
		}
	}
}

func BenchmarkForwardToWhatsApp(b *testing.B) {
	r, _ := fixture(b, Opus, Opus)
	d := newToWhatsApp(r)
	from := d.from.route.Load().remote
	packet := plainPacket(Opus, 0)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		putHeader(packet, Opus.payloadType(), false, uint16(i), uint32(i)*960, 77)
		if !d.receive(copy(d.buf[:], packet), from, time.Now()) {
			b.Fatal("dropped")
		}
	}
}
