package record

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// recording is a Recorder at work inside a synctest bubble.
type recording struct {
	*Recorder

	t    *testing.T
	stop context.CancelFunc
	done chan struct{}
	got  Result
	err  error
}

func begin(t *testing.T, cfg Config) *recording {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	if cfg.CallID == "" {
		cfg.CallID = "call-1"
	}
	r, err := New(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	rec := &recording{Recorder: r, t: t, stop: cancel, done: make(chan struct{})}
	go func() {
		defer close(rec.done)
		rec.got, rec.err = r.Run(ctx)
	}()

	return rec
}

// end finishes the recording and returns the files by leg, checked against the
// digests and sizes that the Result holds.
func (r *recording) end() map[Leg][]byte {
	r.t.Helper()
	r.stop()
	<-r.done
	require.NoError(r.t, r.err)
	require.Len(r.t, r.got.Files, 2)
	files := map[Leg][]byte{}
	for _, f := range r.got.Files {
		b, err := os.ReadFile(f.Path)
		require.NoError(r.t, err)
		sum := sha256.Sum256(b)
		require.Equal(r.t, hex.EncodeToString(sum[:]), f.SHA256)
		require.Equal(r.t, int64(len(b)), f.Bytes)
		files[f.Leg] = b
	}

	return files
}

func (r *recording) file(leg Leg) File {
	r.t.Helper()
	for _, f := range r.got.Files {
		if f.Leg == leg {
			return f
		}
	}
	r.t.Fatal("no such file")

	return File{}
}

// page is an Ogg page as RFC 3533 section 6 lays it out.
type page struct {
	kind    byte
	granule int64
	packets [][]byte
}

// parseOgg reads a file of whole pages, each ending with a packet, and checks
// numbering and sums by a reckoning of its own.
func parseOgg(t *testing.T, b []byte) (pages []page) {
	t.Helper()
	for n := uint32(0); len(b) > 0; n++ {
		require.GreaterOrEqual(t, len(b), 27)
		require.Equal(t, "OggS\x00", string(b[:5]))
		require.Equal(t, n, binary.LittleEndian.Uint32(b[18:]), "page number")
		p := page{kind: b[5], granule: int64(binary.LittleEndian.Uint64(b[6:]))}
		lacing := b[27 : 27+int(b[26])]
		size := 27 + len(lacing)
		packet := []byte{}
		for i, l := range lacing {
			packet = append(packet, b[size:size+int(l)]...)
			size += int(l)
			if l < 255 {
				p.packets = append(p.packets, packet)
				packet = []byte{}
			} else {
				require.Less(t, i, len(lacing)-1, "a packet over two pages")
			}
		}
		require.Equal(t, bitwiseSum(b[:size]), binary.LittleEndian.Uint32(b[22:]), "sum of page %d", n)
		pages = append(pages, p)
		b = b[size:]
	}

	return pages
}

// bitwiseSum is the sum of a page, bit by bit, with its own field taken as zero.
func bitwiseSum(p []byte) (sum uint32) {
	for i, octet := range p {
		if i >= 22 && i < 26 {
			octet = 0
		}
		for bit := 7; bit >= 0; bit-- {
			top := sum>>31 ^ uint32(octet>>bit)&1
			sum = sum<<1 ^ top*0x04C11DB7
		}
	}

	return sum
}

// audio is every packet after the two headers and the lead-in, checked to lie where the granule
// positions say.
func audio(t *testing.T, b []byte) (packets [][]byte) {
	t.Helper()
	pages := parseOgg(t, b)
	require.GreaterOrEqual(t, len(pages), 3)
	require.Equal(t, byte(firstPage), pages[0].kind)
	require.Equal(t, [][]byte{[]byte("OpusHead\x01\x01\xc0\x03\x80\xbb\x00\x00\x00\x00\x00")}, pages[0].packets)
	require.Equal(t, [][]byte{[]byte("OpusTags\x07\x00\x00\x00callctl\x00\x00\x00\x00")}, pages[1].packets)
	var granule, before int64
	for i, p := range pages[2:] {
		for _, packet := range p.packets {
			granule += opusSamples(packet)
		}
		require.Less(t, granule-before, int64(pageLength+maxDuration), "page %d is longer than a second", i+2)
		before = granule
		require.Equal(t, granule, p.granule, "page %d", i+2)
		want := byte(0)
		if i == len(pages)-3 {
			want = lastPage
		}
		require.Equal(t, want, p.kind)
		packets = append(packets, p.packets...)
	}
	require.Equal(t, []byte{quietTOC | 3, 1}, packets[0], "what the pre-skip leaves out")

	return packets[1:]
}

// frame is a 20 ms CELT packet that says which one it is.
func frame(i int) []byte {
	b := make([]byte, 40+i%300)
	b[0] = quietTOC
	binary.BigEndian.PutUint32(b[1:], uint32(i))

	return b
}

// play sends the frames [from, to) in real time.
func (r *recording) play(from, to int) {
	for i := from; i < to; i++ {
		r.Tap(User, frame(i), uint16(65500+i), uint32(4294960000+960*i))
		time.Sleep(20 * time.Millisecond)
	}
}

// tapped is a recorder that nobody runs, and a packet for it.
func tapped(tb testing.TB) (*Recorder, []byte) {
	tb.Helper()
	r, err := New(Config{Dir: tb.TempDir(), CallID: "a", User: Opus, Agent: PCMU})
	require.NoError(tb, err)

	return r, frame(80)
}

func contextFor(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	t.Helper()

	return context.WithTimeout(t.Context(), d)
}

func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		list = append(list, e.Name())
	}

	return list
}
