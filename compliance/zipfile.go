package compliance

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
)

// A pack is a zip in one fixed form (PKWARE APPNOTE 6.3, method Store, no data
// descriptors, no extra fields, all dates 1980-01-01), so that the same content
// is always the same bytes and a reader can demand exactly those. The standard
// library's writer would do, but its bytes may change with the Go version.

const (
	localSignature   = 0x04034b50
	centralSignature = 0x02014b50
	endSignature     = 0x06054b50
	localHeaderSize  = 30
	zipVersion       = 20
	zipUTF8          = 1 << 11
	zipEpoch         = 1<<5 | 1 // 1980-01-01 in MS-DOS form
)

// packFile is one file of a pack.
type packFile struct {
	name    string
	content []byte
}

// writeZip is the one encoding of files.
func writeZip(files []packFile) []byte { return bytes.Join(zipParts(files), nil) }

// zipParts is the one encoding of files in pieces, the contents not copied.
func zipParts(files []packFile) [][]byte {
	var parts [][]byte
	var central bytes.Buffer
	at := 0
	for _, f := range files {
		offset, entry := uint32(at), zipEntry(f)
		var local bytes.Buffer
		put(&local, uint32(localSignature), entry)
		local.WriteString(f.name)
		parts = append(parts, local.Bytes(), f.content)
		at += local.Len() + len(f.content)

		put(&central, uint32(centralSignature), uint16(zipVersion), entry)
		put(&central, uint16(0), uint16(0), uint16(0), uint32(0), offset)
		central.WriteString(f.name)
	}
	var end bytes.Buffer
	n := uint16(len(files))
	put(&end, uint32(endSignature), uint16(0), uint16(0), n, n, uint32(central.Len()), uint32(at), uint16(0))
	return append(parts, central.Bytes(), end.Bytes())
}

// zipEntry is the part that local and central headers share: version needed,
// flags, method, time, date, CRC-32, both sizes, name length, extra length.
func zipEntry(f packFile) []byte {
	var b bytes.Buffer
	size := uint32(len(f.content))
	put(&b, uint16(zipVersion), uint16(zipUTF8), uint16(0), uint16(0), uint16(zipEpoch))
	put(&b, crc32.ChecksumIEEE(f.content), size, size, uint16(len(f.name)), uint16(0))
	return b.Bytes()
}

func put(b *bytes.Buffer, values ...any) {
	for _, v := range values {
		_ = binary.Write(b, binary.LittleEndian, v) // a Buffer and fixed-size values do not fail
	}
}

// readZip reads files of the given names in that order and nothing else. It looks
// at the local headers only as far as it needs to find the contents; that every
// other byte is as it should be is for compareZip to say, after the contents
// themselves have been checked, because those can name the entry.
func readZip(pack []byte, names []string) ([]packFile, error) {
	files := make([]packFile, 0, len(names))
	rest := pack
	for _, name := range names {
		head := localHeaderSize + len(name)
		if len(rest) < head || binary.LittleEndian.Uint32(rest) != localSignature ||
			string(rest[localHeaderSize:head]) != name {
			return nil, refuse(name, "the pack does not have it where it belongs")
		}
		size := int64(binary.LittleEndian.Uint32(rest[22:]))
		if size > int64(len(rest)-head) {
			return nil, refuse(name, "it is cut off")
		}
		end := head + int(size)
		files = append(files, packFile{name, rest[head:end]})
		rest = rest[end:]
	}
	if len(rest) < 4 || binary.LittleEndian.Uint32(rest) != centralSignature {
		return nil, refuse(names[len(names)-1], "it has another length than the pack says")
	}
	return files, nil
}

// compareZip reports the first byte by which a pack differs from the one
// encoding of its files.
func compareZip(pack []byte, files []packFile) error {
	at, same := 0, true
	for _, part := range zipParts(files) {
		n := commonPrefix(pack[at:], part)
		at += n
		if same = n == len(part); !same {
			break
		}
	}
	if same && at == len(pack) {
		return nil
	}
	name, end := "zip directory", 0
	for _, f := range files {
		if end += localHeaderSize + len(f.name) + len(f.content); at < end {
			name = f.name
			break
		}
	}
	return refuse(name, fmt.Sprintf("byte %d of the zip is not as callctl writes it", at))
}

func commonPrefix(a, b []byte) int {
	if bytes.HasPrefix(a, b) {
		return len(b)
	}
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// readPack reads the whole pack into memory.
func readPack(r io.ReaderAt, size int64) ([]byte, error) {
	if size <= 0 || size > maxPack {
		return nil, refuse("", fmt.Sprintf("no pack has %d bytes", size))
	}
	b := make([]byte, size)
	if n, err := r.ReadAt(b, 0); int64(n) != size {
		return nil, refuse("", fmt.Sprintf("cannot be read: %v", err))
	}
	return b, nil
}
