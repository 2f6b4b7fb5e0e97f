package stream_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtp"
	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/testbed/stream"
)

var errWire = errors.New("wire cut")

func packet(ssrc uint32, number uint16, payloadType uint8, payload ...byte) *rtp.Packet {
	return &rtp.Packet{
		Header:  rtp.Header{Version: 2, SSRC: ssrc, SequenceNumber: number, PayloadType: payloadType},
		Payload: payload,
	}
}

func TestReceiverCounts(t *testing.T) {
	cases := []struct {
		name                       string
		numbers                    []uint16
		lost, reordered, duplicate int
	}{
		{"in order", []uint16{1, 2, 3, 4}, 0, 0, 0},
		{"over the wrap", []uint16{65534, 65535, 0, 1}, 0, 0, 0},
		{"gap", []uint16{10, 11, 15}, 3, 0, 0},
		{"gap over the wrap", []uint16{65535, 2}, 2, 0, 0},
		{"late one fills its gap", []uint16{1, 3, 2, 4}, 0, 1, 0},
		{"twice", []uint16{1, 2, 2, 3, 1}, 0, 0, 2},
		{"twice after the wrap", []uint16{65535, 0, 65535}, 0, 0, 1},
		{"older than the first", []uint16{5, 4, 6}, 0, 1, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := stream.NewReceiver([]stream.Codec{{Name: "pcmu", PayloadType: 0}}, []uint8{126})
			for _, number := range c.numbers {
				r.Take(packet(7, number, 0, 1), time.Now())
			}
			heard := r.Heard()
			require.Equal(t, len(c.numbers), heard.Packets)
			require.Equal(t, []int{c.lost, c.reordered, c.duplicate},
				[]int{heard.Lost, heard.Reordered, heard.Duplicates})
			require.Equal(t, 1, heard.SSRCs)
		})
	}
}

func TestReceiverTellsKindsApart(t *testing.T) {
	r := stream.NewReceiver([]stream.Codec{{Name: "opus", PayloadType: 111}}, []uint8{126})
	require.True(t, r.Take(packet(1, 1, 111, 'a'), time.Now()))
	require.False(t, r.Take(packet(1, 2, 126, 'e'), time.Now()))
	r.Take(packet(1, 3, 8, 'u'), time.Now())
	r.Take(packet(2, 9, 111, 'b'), time.Now())
	heard := r.Heard()
	require.Equal(t, []int{2, 1, 1, 2}, []int{heard.Packets, heard.Events, heard.Unknown, heard.SSRCs})
	require.Equal(t, [][]byte{{'a'}, {'b'}}, heard.Payloads)
	require.Equal(t, "opus", heard.Codec)
	require.False(t, heard.PeerFirst)
	r.PeerFirst()
	require.True(t, r.Heard().PeerFirst)
}

func TestReceiverKeepsTheLastPayloads(t *testing.T) {
	r := stream.NewReceiver([]stream.Codec{{Name: "pcmu"}}, nil)
	for i := range 3*stream.Kept + 7 {
		r.Take(packet(1, uint16(i), 0, byte(i), byte(i>>8)), time.Now())
	}
	heard := r.Heard()
	require.Len(t, heard.Payloads, stream.Kept)
	last := 3*stream.Kept + 6
	require.Equal(t, []byte{byte(last), byte(last >> 8)}, heard.Payloads[stream.Kept-1])
	require.Equal(t, 3*stream.Kept+7, heard.Packets)
	require.Zero(t, heard.Lost)
}

func TestSenderKeepsItsClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := stream.NewReceiver([]stream.Codec{{Name: "pcmu"}}, nil)
		var sent []*rtp.Packet
		s := stream.Sender{
			Codec: stream.Codec{Name: "pcmu"}, ToneHz: 500,
			Write: func(p *rtp.Packet) error {
				if len(sent) == 100 {
					return errWire
				}
				if len(sent) == 20 {
					time.Sleep(110 * time.Millisecond) // a stall must not slow the stream
				}
				sent = append(sent, p)
				r.Take(p, time.Now())
				return nil
			},
		}
		begin := time.Now()
		require.ErrorIs(t, s.Run(t.Context()), errWire)
		require.Equal(t, 2*time.Second, time.Since(begin))
		require.True(t, sent[0].Marker)
		require.False(t, sent[1].Marker)
		for i := 1; i < len(sent); i++ {
			require.Equal(t, sent[i-1].SequenceNumber+1, sent[i].SequenceNumber)
			require.Equal(t, sent[i-1].Timestamp+160, sent[i].Timestamp)
		}
		require.Greater(t, r.ToneLevel(500), 0.95)
		require.Less(t, r.ToneLevel(700), 0.05)
		time.Sleep(2 * time.Second)
		require.Zero(t, r.ToneLevel(500), "a tone of two seconds ago is no tone now")
	})
}

func TestSenderSendsPayloadsAsTheyAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		payloads := [][]byte{{1}, {2, 2}, {3}}
		var sent [][]byte
		s := stream.Sender{
			Codec: stream.Codec{Name: "opus", PayloadType: 111}, Payloads: payloads,
			Write: func(p *rtp.Packet) error { sent = append(sent, p.Payload); return nil },
		}
		require.NoError(t, s.Run(t.Context()))
		require.Equal(t, payloads, sent)
		sent, s.Repeat = nil, true
		s.Write = func(p *rtp.Packet) error {
			if sent = append(sent, p.Payload); len(sent) == 5 {
				return errWire
			}
			return nil
		}
		require.ErrorIs(t, s.Run(t.Context()), errWire)
		require.Equal(t, [][]byte{{1}, {2, 2}, {3}, {1}, {2, 2}}, sent)
	})
}
