package media

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// listener is a Tap that compares what it hears with what was sent.
type listener struct {
	want      []byte
	codec     Codec
	web, pbx  int
	different int
	sequence  uint16
	timestamp uint32
}

func (l *listener) FromWhatsApp(codec Codec, payload []byte, sequence uint16, timestamp uint32) {
	l.web++
	l.compare(codec, payload, sequence, timestamp)
}

func (l *listener) FromPBX(codec Codec, payload []byte, sequence uint16, timestamp uint32) {
	l.pbx++
	l.compare(codec, payload, sequence, timestamp)
}

func (l *listener) compare(codec Codec, payload []byte, sequence uint16, timestamp uint32) {
	if codec != l.codec || !bytes.Equal(payload, l.want) {
		l.different++
	}
	l.sequence, l.timestamp = sequence, timestamp
}

// TestTapHearsWhatThePeersSent has the two G.711 legs differ, so that payloads are
// rewritten in place: the tap hears them before. Nothing is allocated for it.
func TestTapHearsWhatThePeersSent(t *testing.T) {
	r, peer := fixture(t, PCMA, PCMU)
	heard := &listener{want: bytes.Repeat([]byte{0x5A}, 60)}
	r.cfg.Tap = heard
	from := r.cfg.PBX.route.Load().remote
	plain := make([]byte, rtpHeader+60, maxPacket)
	copy(plain[rtpHeader:], heard.want)

	toWeb := newToWhatsApp(r)
	heard.codec = PCMU
	i := 0
	require.Zero(t, testing.AllocsPerRun(packets, func() {
		putHeader(plain, PCMU.payloadType(), false, uint16(i), uint32(i)*160, 77)
		n := copy(toWeb.buf[:], plain)
		i++
		toWeb.reportAt = time.Now().Add(time.Minute)
		if !toWeb.receive(n, from, time.Now()) {
			t.Fatal("dropped")
		}
	}))
	require.Equal(t, listener{
		want: heard.want, codec: PCMU, pbx: packets + 1, sequence: packets, timestamp: packets * 160,
	}, *heard)
	require.NotEqual(t, heard.want, toWeb.packet.payload(), "it was rewritten")

	toTrunk := newToPBX(r)
	require.False(t, toTrunk.secured(netip.AddrPort{}))
	heard.codec = PCMA
	sealed := make([][]byte, packets+1)
	for i := range sealed {
		var err error
		putHeader(plain, PCMA.payloadType(), false, uint16(i), uint32(i)*160, 78)
		sealed[i], err = peer.seal.EncryptRTP(nil, plain, nil)
		require.NoError(t, err)
	}
	i = 0
	require.Zero(t, testing.AllocsPerRun(packets, func() {
		n := copy(toTrunk.buf[:], sealed[i])
		i++
		if !toTrunk.receive(n, toTrunk.link.peer, time.Now()) {
			t.Fatal("dropped")
		}
	}))
	require.Equal(t, packets+1, heard.web)
	require.Zero(t, heard.different)
}

// TestTapHearsNoKeys leaves out what is keyed in, strangers and other formats.
func TestTapHearsNoKeys(t *testing.T) {
	r, _ := fixture(t, PCMU, PCMU)
	heard := &listener{codec: PCMU}
	r.cfg.Tap = heard
	d := newToWhatsApp(r)
	from := d.from.route.Load().remote
	send := func(pt uint8, from netip.AddrPort) {
		putHeader(d.buf[:], pt, false, 1, 160, 77)
		d.receive(rtpHeader+4, from, time.Now())
	}
	send(rtpEvent, from)
	send(96, from)
	send(PCMU.payloadType(), netip.MustParseAddrPort("127.0.0.1:9"))
	require.Zero(t, heard.pbx)
	send(PCMU.payloadType(), from)
	require.Equal(t, 1, heard.pbx)
}
