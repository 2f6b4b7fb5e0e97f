package record

import (
	"bufio"
	"encoding/binary"
	"os"
)

// Header types of an Ogg page (RFC 3533 section 6).
const (
	firstPage = 0x02
	lastPage  = 0x04
)

const (
	segments   = 255   // of a page at most
	pageLength = 48000 // samples: RFC 7845 section 6 asks for no more than a second
	serial     = 1     // a file holds one logical stream
	// preSkip is what a player leaves out at the start (section 5.1): a file begins
	// with as much silence, so that nothing is lost and both tracks stay in step.
	preSkip = 960
)

// oggOpus is Ogg Opus (RFC 7845), mono, about a second to a page.
type oggOpus struct {
	out     *bufio.Writer
	pages   uint32
	granule int64 // samples at 48 kHz, which are whole packets (section 4)
	began   int64 // granule at the start of the page
	lacing  []byte
	body    []byte
	page    []byte
	toc     byte // of the last packet
}

// quietTOC is CELT, fullband, 20 ms, mono: what a gap before the first packet is
// said to be.
const quietTOC = 31 << 3

func newOggOpus(f *os.File) (*oggOpus, error) {
	o := &oggOpus{out: bufio.NewWriter(f), toc: quietTOC}
	// Version 1, one channel, the pre-skip, 48 kHz, no gain, mapping family 0
	// (RFC 7845 section 5.1).
	head := append([]byte("OpusHead"), 1, 1, preSkip&0xFF, preSkip>>8, 0x80, 0xBB, 0, 0, 0, 0, 0)
	tags := append([]byte("OpusTags"), 7, 0, 0, 0)
	tags = append(tags, "callctl\x00\x00\x00\x00"...) // vendor, no comments
	o.add(head)
	if err := o.flush(firstPage); err != nil {
		return nil, err
	}
	o.add(tags)
	if err := o.flush(0); err != nil {
		return nil, err
	}
	_, err := o.silence(preSkip)

	return o, err
}

func (o *oggOpus) samples(payload []byte) int64 { return opusSamples(payload) }

func (o *oggOpus) write(payload []byte) error {
	o.toc = payload[0]

	return o.packet(payload)
}

func (o *oggOpus) packet(payload []byte) error {
	if len(o.lacing)+len(payload)/255+1 > segments || o.granule-o.began >= pageLength {
		if err := o.flush(0); err != nil {
			return err
		}
	}
	o.add(payload)
	o.granule += opusSamples(payload)

	return nil
}

// silence appends packets of frames without octets, which a decoder conceals as it
// does lost ones: a position may not grow by anything but packets (section 4.1).
func (o *oggOpus) silence(samples int64) (int64, error) {
	was := o.granule
	for _, toc := range []byte{o.toc, 28 << 3} { // what is left over in frames of 2.5 ms
		frame := frameSamples(toc)
		for n := (samples - (o.granule - was)) / frame; n > 0; {
			m := min(n, maxDuration/frame)
			if err := o.packet([]byte{toc | 3, byte(m)}); err != nil {
				return o.granule - was, err
			}
			n -= m
		}
	}

	return o.granule - was, nil
}

func (o *oggOpus) finish() error {
	if err := o.flush(lastPage); err != nil {
		return err
	}

	return o.out.Flush()
}

// add laces one packet into the page (RFC 3533 section 5).
func (o *oggOpus) add(packet []byte) {
	o.body = append(o.body, packet...)
	n := len(packet)
	for ; n >= 255; n -= 255 {
		o.lacing = append(o.lacing, 255)
	}
	o.lacing = append(o.lacing, byte(n))
}

// flush writes the page (RFC 3533 section 6).
func (o *oggOpus) flush(kind byte) error {
	p := o.page[:0]
	p = append(p, "OggS\x00"...)
	p = append(p, kind)
	p = binary.LittleEndian.AppendUint64(p, uint64(o.granule))
	p = binary.LittleEndian.AppendUint32(p, serial)
	p = binary.LittleEndian.AppendUint32(p, o.pages)
	p = append(p, 0, 0, 0, 0, byte(len(o.lacing)))
	p = append(p, o.lacing...)
	p = append(p, o.body...)
	binary.LittleEndian.PutUint32(p[22:], oggSum(p))
	_, err := o.out.Write(p)
	o.page, o.lacing, o.body = p, o.lacing[:0], o.body[:0]
	o.pages++
	o.began = o.granule

	return err
}

// oggTable is the CRC of RFC 3533 section 6: polynomial 0x04C11DB7, not reflected,
// which hash/crc32 does not have.
//
//nolint:gochecknoglobals // a constant table, which Go cannot declare as const
var oggTable = makeOggTable()

func makeOggTable() (table [256]uint32) {
	for i := range table {
		r := uint32(i) << 24
		for range 8 {
			if r&0x80000000 != 0 {
				r = r<<1 ^ 0x04C11DB7
			} else {
				r <<= 1
			}
		}
		table[i] = r
	}

	return table
}

func oggSum(b []byte) (sum uint32) {
	for _, octet := range b {
		sum = sum<<8 ^ oggTable[byte(sum>>24)^octet]
	}

	return sum
}
