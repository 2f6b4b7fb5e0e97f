package record

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// strayed is how far a track's timestamps may stray from the clock. Beyond it they
// have begun anew (another SSRC, a jump), and the packet's place is the moment at
// which it came. So nobody can make a track longer than the call by numbers.
const strayed = 10 * time.Second

// track is the file of one leg. All but its ring belongs to Run.
type track struct {
	ring

	leg     Leg
	codec   Codec
	name    string
	file    *os.File
	into    container
	begun   bool
	last    slot  // sequence and timestamp of the last packet written
	where   int64 // where the last packet belongs by its timestamp, in samples
	length  int64 // samples written
	packets uint64
	late    uint64
	garbled uint64
	err     error // the track is lost
}

func (t *track) open(dir *os.Root) {
	f, err := dir.OpenFile(t.name+partial, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		t.err = err

		return
	}
	t.file = f
	t.into, t.err = newContainer(t.codec, f)
}

// drain writes what arrived by then. A track that is lost still empties its ring.
func (t *track) drain(by time.Duration) {
	t.order()
	for s := t.first(by); s != nil; s = t.first(by) {
		if t.err == nil {
			t.err = t.place(s)
		}
		t.pop()
	}
}

// place writes one packet where it belongs.
func (t *track) place(s *slot) error {
	samples := t.into.samples(s.octets)
	switch {
	case samples == 0:
		t.garbled++

		return nil
	case t.begun && (s.sequence == t.last.sequence && s.timestamp == t.last.timestamp || s.precedes(&t.last)):
		t.late++

		return nil
	}
	arrived := t.samplesIn(s.at)
	t.where += int64(int32(s.timestamp - t.last.timestamp))
	if limit := t.samplesIn(strayed); !t.begun || t.where > arrived+limit || t.where < arrived-limit {
		t.where = arrived
	}
	t.begun, t.last.sequence, t.last.timestamp = true, s.sequence, s.timestamp
	if err := t.fill(t.where); err != nil {
		return err
	}
	if err := t.into.write(s.octets); err != nil {
		return err
	}
	t.length += samples
	t.packets++

	return nil
}

// fill lets the track be silent up to a place.
func (t *track) fill(to int64) error {
	if to <= t.length {
		return nil
	}
	n, err := t.into.silence(to - t.length)
	t.length += n

	return err
}

func (t *track) samplesIn(d time.Duration) int64 {
	return int64(d) / int64(time.Microsecond) * t.codec.clock() / 1e6
}

// finish completes the file and gives it its name once it is on the disk.
func (t *track) finish(dir *os.Root, end time.Duration) (File, error) {
	if t.err == nil {
		t.err = t.fill(t.samplesIn(end))
	}
	if t.err == nil {
		t.err = t.into.finish()
	}
	if t.err == nil {
		t.err = t.file.Sync()
	}
	var sum [sha256.Size]byte
	var size int64
	if t.err == nil {
		sum, size, t.err = digest(t.file)
	}
	if t.file != nil {
		t.err = errors.Join(t.err, t.file.Close())
	}
	if t.err == nil {
		t.err = rename(dir, t.name)
	}
	if t.err != nil {
		return File{}, fmt.Errorf("record: the %s's track: %w", t.leg, t.err)
	}

	return File{
		Leg: t.leg, Path: t.name, SHA256: hex.EncodeToString(sum[:]), Bytes: size,
		Duration: time.Duration(t.length) * time.Second / time.Duration(t.codec.clock()),
		Packets:  t.packets, Dropped: t.dropped.Load() + t.garbled, Late: t.late,
	}, nil
}

// digest reads back what the file holds.
func digest(f *os.File) (sum [sha256.Size]byte, size int64, err error) {
	if _, err = f.Seek(0, io.SeekStart); err != nil {
		return sum, 0, err
	}
	h := sha256.New()
	size, err = io.Copy(h, f)
	h.Sum(sum[:0])

	return sum, size, err
}

// rename never replaces a recording.
func rename(dir *os.Root, name string) error {
	if _, err := dir.Lstat(name); err == nil {
		return ErrExists
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}

	return dir.Rename(name+partial, name)
}
