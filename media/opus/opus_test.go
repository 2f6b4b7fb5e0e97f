package opus_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4/pkg/media/oggwriter"
	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/media/opus"
)

// sine is n samples of a tone.
func sine(hz, rate float64, from, n int) []int16 {
	pcm := make([]int16, n)
	for i := range pcm {
		pcm[i] = int16(9000 * math.Sin(2*math.Pi*hz*float64(from+i)/rate))
	}

	return pcm
}

// share is the part of the energy that is at hz.
func share(pcm []int16, hz, rate float64) float64 {
	var re, im, energy float64
	for i, s := range pcm {
		angle := 2 * math.Pi * hz * float64(i) / rate
		re += float64(s) * math.Cos(angle)
		im += float64(s) * math.Sin(angle)
		energy += float64(s) * float64(s)
	}

	return 2 * (re*re + im*im) / float64(len(pcm)) / energy
}

// oggPackets reads the packets of an Ogg Opus file (RFC 3533), without the two
// header packets.
func oggPackets(t *testing.T, name string) (packets [][]byte) {
	t.Helper()
	file, err := os.ReadFile(name)
	require.NoError(t, err)
	var packet []byte
	for len(file) > 0 {
		require.Equal(t, "OggS", string(file[:4]))
		segments := file[27 : 27+int(file[26])]
		body := file[27+len(segments):]
		for _, n := range segments {
			packet = append(packet, body[:n]...)
			body = body[n:]
			if n < 255 {
				packets = append(packets, packet)
				packet = nil
			}
		}
		file = body
	}

	return packets[2:]
}

func TestDecodesLibopusPacketsAsLibopusDoes(t *testing.T) {
	t.Parallel()
	decoder, err := opus.NewDecoder(48000)
	require.NoError(t, err)
	var got []int16
	for _, packet := range oggPackets(t, "testdata/tone.opus") {
		pcm := make([]int16, 5760)
		n, err := decoder.Decode(packet, pcm)
		require.NoError(t, err)
		require.Equal(t, 960, n)
		got = append(got, pcm[:n]...)
	}
	raw, err := os.ReadFile("testdata/tone-48k.s16le")
	require.NoError(t, err)
	want := make([]int16, len(raw)/2)
	require.NoError(t, binary.Read(bytes.NewReader(raw), binary.LittleEndian, want))
	got = got[312:]
	for i, sample := range want {
		require.InDelta(t, sample, got[i], 2, "sample %d", i)
	}
}

func TestDecodesLibopusPacketsTo8kHz(t *testing.T) {
	t.Parallel()
	decoder, err := opus.NewDecoder(8000)
	require.NoError(t, err)
	var got []int16
	for _, packet := range oggPackets(t, "testdata/tone.opus") {
		pcm := make([]int16, opus.MaxSamples8k)
		n, err := decoder.Decode(packet, pcm)
		require.NoError(t, err)
		require.Equal(t, opus.FrameSamples8k, n)
		got = append(got, pcm[:n]...)
	}
	got = got[800:4000]
	require.InDelta(t, 0.9, share(got, 440, 8000), 0.05)
	require.InDelta(t, 0.1, share(got, 1200, 8000), 0.05)
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for _, rate := range []int{8000, 16000, 48000} {
		encoder, err := opus.NewEncoder(rate)
		require.NoError(t, err)
		decoder, err := opus.NewDecoder(8000)
		require.NoError(t, err)
		var heard []int16
		packet, pcm := make([]byte, opus.MaxPacket), make([]int16, opus.MaxSamples8k)
		for i := range 50 {
			n, err := encoder.Encode(sine(440, float64(rate), i*rate/50, rate/50), packet)
			require.NoError(t, err)
			require.Less(t, n, 200, "20 kbit/s is 50 octets a frame")
			samples, err := decoder.Decode(packet[:n], pcm)
			require.NoError(t, err)
			heard = append(heard, pcm[:samples]...)
		}
		require.Len(t, heard, 8000)
		require.Greater(t, share(heard[1600:], 440, 8000), 0.95, "rate %d", rate)
	}
}

// TestLibopusDecodesWhatWeEncode gives our packets to opusdec.
func TestLibopusDecodesWhatWeEncode(t *testing.T) {
	t.Parallel()
	opusdec, err := exec.LookPath("opusdec")
	if err != nil {
		t.Skip("opusdec (Debian package opus-tools) is not installed")
	}
	dir := t.TempDir()
	name, out := filepath.Join(dir, "ours.opus"), filepath.Join(dir, "out.raw")
	w, err := oggwriter.New(name, 48000, 1)
	require.NoError(t, err)
	encoder, err := opus.NewEncoder(8000)
	require.NoError(t, err)
	for i := range 50 {
		packet := make([]byte, opus.MaxPacket)
		n, err := encoder.Encode(sine(1000, 8000, i*160, 160), packet)
		require.NoError(t, err)
		require.NoError(t, w.WriteRTP(&rtp.Packet{
			Header:  rtp.Header{Version: 2, SequenceNumber: uint16(i), Timestamp: uint32(i * 960)},
			Payload: packet[:n],
		}))
	}
	require.NoError(t, w.Close())
	text, err := exec.CommandContext(t.Context(), opusdec, "--quiet", "--no-dither", "--rate", "48000", name, out).CombinedOutput()
	require.NoError(t, err, string(text))
	raw, err := os.ReadFile(out)
	require.NoError(t, err)
	pcm := make([]int16, len(raw)/2)
	require.NoError(t, binary.Read(bytes.NewReader(raw[:len(pcm)*2]), binary.LittleEndian, pcm))
	require.Greater(t, len(pcm), 40000)
	require.Greater(t, share(pcm[9600:40000], 1000, 48000), 0.95)
}

func TestALostPacketIsConcealed(t *testing.T) {
	t.Parallel()
	decoder, err := opus.NewDecoder(8000)
	require.NoError(t, err)
	pcm := make([]int16, opus.MaxSamples8k)
	for _, packet := range oggPackets(t, "testdata/tone.opus")[:20] {
		_, err := decoder.Decode(packet, pcm)
		require.NoError(t, err)
	}
	n, err := decoder.Decode(nil, pcm)
	require.NoError(t, err)
	require.Equal(t, opus.FrameSamples8k, n)
	var loudest int16
	for _, sample := range pcm[:n] {
		loudest = max(loudest, sample)
	}
	require.Greater(t, loudest, int16(2000), "the sound goes on")
}

func TestWhatIsNotOpusIsAnError(t *testing.T) {
	t.Parallel()
	_, err := opus.NewDecoder(44100)
	require.ErrorIs(t, err, opus.ErrRate)
	_, err = opus.NewEncoder(44100)
	require.ErrorIs(t, err, opus.ErrRate)
	encoder, err := opus.NewEncoder(8000)
	require.NoError(t, err)
	_, err = encoder.Encode(make([]int16, 80), make([]byte, opus.MaxPacket))
	require.ErrorIs(t, err, opus.ErrFrame)
	decoder, err := opus.NewDecoder(8000)
	require.NoError(t, err)
	_, err = decoder.Decode([]byte{0xFF, 0xFF}, make([]int16, opus.MaxSamples8k))
	require.Error(t, err)
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte{0xF8, 0xFF, 0xFE})
	f.Add([]byte{0x48, 1, 2, 3})
	f.Fuzz(func(t *testing.T, packet []byte) {
		decoder, err := opus.NewDecoder(8000)
		require.NoError(t, err)
		pcm := make([]int16, opus.MaxSamples8k)
		if n, err := decoder.Decode(packet, pcm); err == nil {
			require.LessOrEqual(t, n, len(pcm))
		}
	})
}

func BenchmarkEncode8k(b *testing.B) {
	encoder, err := opus.NewEncoder(8000)
	require.NoError(b, err)
	pcm, packet := sine(440, 8000, 0, 160), make([]byte, opus.MaxPacket)
	b.ReportAllocs()
	for b.Loop() {
		_, err = encoder.Encode(pcm, packet)
		require.NoError(b, err)
	}
}
