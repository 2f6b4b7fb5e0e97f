package media

import (
	"fmt"
	"time"

	"github.com/callctl/callctl/media/g711"
	"github.com/callctl/callctl/media/opus"
)

// samples is the number of samples of one frame at 8 kHz, the rate that all
// transcoding runs at: a G.711 leg has nothing above 4 kHz to say or to hear.
const samples = 160

// concealed bounds how many lost packets are concealed; after 100 ms there is
// nothing left to guess from.
const concealed = 5

// source follows the sequence of a transcoded stream, for which the order in and
// the order out are not the same numbers.
type source struct {
	begun  bool
	ssrc   uint32
	next   uint16
	inTS   uint32 // of the event that runs
	outTS  uint32
	eventy bool
}

// place says what to do with a packet: lost is the number of packets missing
// before it, ok is false for one that comes too late or twice.
func (s *source) place(p *packet) (lost int, ok bool) {
	ahead := int16(p.seq - s.next) // serial number arithmetic, RFC 1982
	if s.begun && p.ssrc == s.ssrc && ahead < 0 && ahead > -lateBy {
		return 0, false
	}
	if s.begun && p.ssrc == s.ssrc && ahead > 0 && ahead < restartJump {
		lost = int(ahead)
	}
	s.begun, s.ssrc, s.next = true, p.ssrc, p.seq+1

	return lost, true
}

// event sends a telephone-event packet. All packets of one event keep one
// timestamp (RFC 4733 section 2.5.1.1), taken from our own line at its start.
func (s *source) event(p *packet, out *sender, now time.Time) bool {
	if !s.eventy || p.timestamp != s.inTS {
		out.line.begin(now)
		s.eventy, s.inTS = true, p.timestamp
		s.outTS = out.line.aligned(out.line.timestamp+out.line.frame, now)
	}

	return out.eventAt(p, s.outTS, now)
}

// scratch is a frame buffer with room for header and tag.
type scratch [rtpHeader + maxPacket + sealRoom]byte

// opusToG711 decodes straight to 8 kHz and encodes by table.
type opusToG711 struct {
	source

	decoder opus.Decoder
	encode  func(dst []byte, pcm []int16)
	pcm     []int16 // decoded, not yet sent
	decoded [opus.MaxSamples8k]int16
	out     scratch
}

func newOpusToG711(to Codec) (*opusToG711, error) {
	decoder, err := opus.NewDecoder(8000)
	if err != nil {
		return nil, fmt.Errorf("media: transcode: %w", err)
	}

	return &opusToG711{decoder: decoder, encode: g711Encode(to), pcm: make([]int16, 0, 2*opus.MaxSamples8k)}, nil
}

func (c *opusToG711) convert(p *packet, out *sender, now time.Time) bool {
	lost, ok := c.place(p)
	if !ok {
		return false
	}
	if p.event {
		return c.event(p, out, now)
	}
	if p.start == p.end {
		return false
	}
	for range min(lost, concealed) {
		c.decode(nil)
	}
	if !c.decode(p.payload()) {
		return false
	}
	c.flush(out, p.marker, now)

	return true
}

// decode appends one packet's samples; nil conceals one lost frame.
func (c *opusToG711) decode(payload []byte) bool {
	n, err := c.decoder.Decode(payload, c.decoded[:])
	if err != nil {
		return false
	}
	c.pcm = append(c.pcm, c.decoded[:n]...)

	return true
}

func (c *opusToG711) flush(out *sender, marker bool, now time.Time) {
	sent := 0
	for ; len(c.pcm)-sent >= samples; sent += samples {
		c.encode(c.out[rtpHeader:rtpHeader+samples], c.pcm[sent:sent+samples])
		out.frame(c.out[:], rtpHeader, rtpHeader+samples, marker, now)
		marker = false
	}
	c.pcm = c.pcm[:copy(c.pcm, c.pcm[sent:])]
}

// g711ToOpus decodes by table and encodes 20 ms frames.
type g711ToOpus struct {
	source

	decode  func(dst []int16, payload []byte)
	encoder opus.Encoder
	pcm     []int16
	last    [samples]int16
	out     scratch
}

func newG711ToOpus(from Codec) (*g711ToOpus, error) {
	encoder, err := opus.NewEncoder(8000)
	if err != nil {
		return nil, fmt.Errorf("media: transcode: %w", err)
	}

	return &g711ToOpus{decode: g711Decode(from), encoder: encoder, pcm: make([]int16, 0, 2*maxPacket)}, nil
}

func (c *g711ToOpus) convert(p *packet, out *sender, now time.Time) bool {
	lost, ok := c.place(p)
	if !ok {
		return false
	}
	if p.event {
		return c.event(p, out, now)
	}
	payload := p.payload()
	if len(payload) == 0 || len(c.pcm)+concealed*samples+len(payload) > cap(c.pcm) {
		return false
	}
	if lost > 0 && lost <= concealed {
		c.conceal(lost)
	}
	at := len(c.pcm)
	c.pcm = c.pcm[:at+len(payload)]
	c.decode(c.pcm[at:], payload)
	c.flush(out, p.marker, now)

	return true
}

// conceal repeats the last frame, 6 dB quieter each time (G.711 has no concealment
// of its own; appendix I does the same with pitch).
func (c *g711ToOpus) conceal(lost int) {
	for range lost {
		for i := range c.last {
			c.last[i] /= 2
		}
		c.pcm = append(c.pcm, c.last[:]...)
	}
}

func (c *g711ToOpus) flush(out *sender, marker bool, now time.Time) {
	sent := 0
	for ; len(c.pcm)-sent >= samples; sent += samples {
		frame := c.pcm[sent : sent+samples]
		copy(c.last[:], frame)
		n, err := c.encoder.Encode(frame, c.out[rtpHeader:rtpHeader+maxPacket])
		if err != nil || n == 0 {
			continue
		}
		out.frame(c.out[:], rtpHeader, rtpHeader+n, marker, now)
		marker = false
	}
	c.pcm = c.pcm[:copy(c.pcm, c.pcm[sent:])]
}

// g711ToG711 translates octet by octet: packet and timing stay as they are.
type g711ToG711 struct{ table [256]byte }

func newG711ToG711(from, to Codec) *g711ToG711 {
	c := &g711ToG711{}
	decode, encode := g711Decode(from), g711Encode(to)
	for i := range c.table {
		var pcm [1]int16
		decode(pcm[:], []byte{byte(i)})
		encode(c.table[i:i+1], pcm[:])
	}

	return c
}

func (c *g711ToG711) convert(p *packet, out *sender, now time.Time) bool {
	if !p.event {
		payload := p.payload()
		for i, b := range payload {
			payload[i] = c.table[b]
		}
	}

	return out.relayed(p, now)
}

func g711Encode(c Codec) func([]byte, []int16) {
	if c == PCMA {
		return g711.EncodeALaw
	}

	return g711.EncodeMuLaw
}

func g711Decode(c Codec) func([]int16, []byte) {
	if c == PCMA {
		return g711.DecodeALaw
	}

	return g711.DecodeMuLaw
}
