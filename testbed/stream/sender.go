package stream

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/pion/rtp"

	"github.com/callctl/callctl/testbed/tone"
)

// Interval between two packets (a=ptime:20).
const Interval = 20 * time.Millisecond

// Sender puts one stream on the wire: Payloads if there are any, otherwise a tone.
type Sender struct {
	Codec    Codec
	SSRC     uint32   // 0: a random one
	ToneHz   float64  // 0 for silence
	Payloads [][]byte // sent once, in order; then the sender goes quiet
	Repeat   bool     // start Payloads again at their end
	// Write puts one packet on the wire. Its error ends Run.
	Write func(*rtp.Packet) error
}

// Run sends until ctx ends, the payloads are used up or Write fails. It returns
// nil unless Write or the codec failed. Packets that fell behind the clock are
// sent at once, so that the stream keeps its rate.
func (s *Sender) Run(ctx context.Context) error {
	next, err := s.payloads()
	if err != nil {
		return err
	}
	header := newHeader(s.Codec.PayloadType)
	if s.SSRC != 0 {
		header.SSRC = s.SSRC
	}
	due := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		payload := next()
		if payload == nil {
			return nil
		}
		if err := s.Write(&rtp.Packet{Header: header, Payload: payload}); err != nil {
			return fmt.Errorf("stream: sending: %w", err)
		}
		header.Marker = false
		header.SequenceNumber++
		header.Timestamp += s.Codec.Step()
		due = due.Add(Interval)
		timer.Reset(time.Until(due))
	}
}

// newHeader starts a stream at random places, as RFC 3550 section 5.1 asks.
func newHeader(payloadType uint8) rtp.Header {
	var seed [10]byte
	_, _ = rand.Read(seed[:]) // crypto/rand.Read never fails
	return rtp.Header{
		Version: 2, Marker: true, PayloadType: payloadType,
		SSRC:           binary.BigEndian.Uint32(seed[0:]),
		Timestamp:      binary.BigEndian.Uint32(seed[4:]),
		SequenceNumber: binary.BigEndian.Uint16(seed[8:]),
	}
}

// payloads returns what gives the next payload, nil at the end.
func (s *Sender) payloads() (func() []byte, error) {
	if len(s.Payloads) == 0 {
		source, err := tone.NewSource(s.Codec.Name, s.ToneHz)
		if err != nil {
			return nil, fmt.Errorf("stream: %w", err)
		}
		return source.Next, nil
	}
	i := 0
	return func() []byte {
		if i == len(s.Payloads) {
			if !s.Repeat {
				return nil
			}
			i = 0
		}
		i++
		return s.Payloads[i-1]
	}, nil
}
