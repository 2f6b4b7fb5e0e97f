package record

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"math"
	"os"
)

// wav is G.711 in RIFF WAVE: 8 bits, 8 kHz, mono, format tag 7 for µ-law and 6 for
// A-law (RFC 2361 sections A.5 and A.6).
type wav struct {
	file   *os.File
	out    *bufio.Writer
	tag    uint16
	octets int64
	still  [800]byte // 100 ms of silence
}

const wavHeader = 58

func newWAV(c Codec, f *os.File) (*wav, error) {
	w := &wav{file: f, out: bufio.NewWriter(f), tag: 7}
	silent := byte(0xFF)
	if c == PCMA {
		w.tag, silent = 6, 0xD5
	}
	for i := range w.still {
		w.still[i] = silent
	}
	_, err := w.out.Write(w.header())

	return w, err
}

// header is the 58 octets before the samples. A format other than PCM has the size
// of its extension and a fact chunk.
func (w *wav) header() []byte {
	var b bytes.Buffer
	put := func(v any) { _ = binary.Write(&b, binary.LittleEndian, v) } // a buffer takes everything
	padded := w.octets + w.octets%2
	b.WriteString("RIFF")
	put(uint32(wavHeader - 8 + padded))
	b.WriteString("WAVEfmt ")
	put(uint32(18))
	put([]uint16{w.tag, 1}) // one channel
	put([]uint32{8000, 8000})
	put([]uint16{1, 8, 0})
	b.WriteString("fact")
	put([]uint32{4, uint32(w.octets)})
	b.WriteString("data")
	put(uint32(w.octets))

	return b.Bytes()
}

func (w *wav) samples(payload []byte) int64 { return int64(len(payload)) }

func (w *wav) write(payload []byte) error {
	if w.octets+int64(len(payload)) > math.MaxUint32-wavHeader {
		return ErrSize
	}
	n, err := w.out.Write(payload)
	w.octets += int64(n)

	return err
}

func (w *wav) silence(samples int64) (int64, error) {
	for left := samples; left > 0; {
		n := min(left, int64(len(w.still)))
		if err := w.write(w.still[:n]); err != nil {
			return samples - left, err
		}
		left -= n
	}

	return samples, nil
}

func (w *wav) finish() error {
	if w.octets%2 == 1 { // a chunk ends on an even octet
		if err := w.out.WriteByte(0); err != nil {
			return err
		}
	}
	if err := w.out.Flush(); err != nil {
		return err
	}
	_, err := w.file.WriteAt(w.header(), 0)

	return err
}
