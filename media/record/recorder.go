package record

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sync/atomic"
	"time"
)

// partial ends the name of a file that is not finished.
const partial = ".part"

// Run looks every so often at what came, and writes what has waited for packets
// that were overtaken on their way.
const (
	every = 100 * time.Millisecond
	hold  = 200 * time.Millisecond
)

// Config is what a Recorder needs.
type Config struct {
	// Dir is the folder of the recordings; Run creates it (mode 0700).
	Dir string
	// CallID names the files: letters, digits, '-' and '_', at most 64.
	CallID string
	// User and Agent are the codecs of the two legs.
	User, Agent Codec
	// Now is the clock, which every Tap reads; nil means [time.Now].
	Now func() time.Time
}

// Recorder writes the two tracks of one call.
type Recorder struct {
	cfg    Config
	began  time.Time
	tracks [2]track // by Leg
	ran    atomic.Bool
}

// File is one finished track.
type File struct {
	Leg      Leg
	Path     string // Config.Dir and <call id>.user.opus, <call id>.agent.wav, …
	SHA256   string // of the whole file, lower-case hexadecimal
	Bytes    int64
	Duration time.Duration // silence included
	Packets  uint64        // written
	Dropped  uint64        // for want of room in the ring, too long, malformed, or skipped
	Late     uint64        // not written: twice, or after their place was taken
}

// Result is what Run leaves behind, the user's file first.
type Result struct{ Files []File }

var callID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// New checks cfg and allocates the rings, about 380 KB each. The recording's clock
// starts here: both tracks count from this moment.
func New(cfg Config) (*Recorder, error) {
	switch {
	case cfg.Dir == "":
		return nil, fmt.Errorf("%w: no folder", ErrConfig)
	case !callID.MatchString(cfg.CallID):
		return nil, fmt.Errorf("%w: the call id cannot name a file", ErrConfig)
	case cfg.User.clock() == 0 || cfg.Agent.clock() == 0:
		return nil, fmt.Errorf("%w: codec %q or %q", ErrConfig, cfg.User, cfg.Agent)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	r := &Recorder{cfg: cfg, began: cfg.Now()}
	for i, codec := range []Codec{User: cfg.User, Agent: cfg.Agent} {
		t := &r.tracks[i]
		t.leg, t.codec = Leg(i), codec
		t.name = cfg.CallID + "." + t.leg.String() + codec.extension()
		t.init()
	}

	return r, nil
}

// Tap hands over a copy of one packet's payload, with its RTP sequence number and
// timestamp, as the peer sent them. It neither blocks nor allocates; a copy that
// does not fit is dropped and counted. A leg has one goroutine that calls it. It may
// be called before, during and after Run.
func (r *Recorder) Tap(leg Leg, payload []byte, sequence uint16, timestamp uint32) {
	if int(leg) < len(r.tracks) {
		r.tracks[leg].put(payload, sequence, timestamp, r.elapsed())
	}
}

// Skip counts as dropped a packet that the leg's track cannot hold, such as one of
// another codec. It may be called as Tap may.
func (r *Recorder) Skip(leg Leg) {
	if int(leg) < len(r.tracks) {
		r.tracks[leg].dropped.Add(1)
	}
}

func (r *Recorder) elapsed() time.Duration { return r.cfg.Now().Sub(r.began) }

// Run writes until ctx ends and finishes the files: headers, fsync, and only then
// the name without ".part". A file that could not be written stays as ".part", and
// is an error beside what the Result holds; the other track is not harmed. A process
// that dies leaves ".part" files only. Run is called once.
func (r *Recorder) Run(ctx context.Context) (Result, error) {
	if r.ran.Swap(true) {
		return Result{}, ErrRun
	}
	if err := os.MkdirAll(r.cfg.Dir, 0o700); err != nil {
		return Result{}, fmt.Errorf("record: make the folder: %w", err)
	}
	dir, err := os.OpenRoot(r.cfg.Dir)
	if err != nil {
		return Result{}, fmt.Errorf("record: open the folder: %w", err)
	}
	defer dir.Close()
	for i := range r.tracks {
		r.tracks[i].open(dir)
	}
	r.write(ctx)

	return r.finish(dir)
}

func (r *Recorder) write(ctx context.Context) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			by := r.elapsed() - hold
			for i := range r.tracks {
				r.tracks[i].drain(by)
			}
		}
	}
}

func (r *Recorder) finish(dir *os.Root) (Result, error) {
	var result Result
	var failed []error
	end := r.elapsed()
	for i := range r.tracks {
		t := &r.tracks[i]
		t.drain(end)
		f, err := t.finish(dir, end)
		if err != nil {
			failed = append(failed, err)

			continue
		}
		f.Path = filepath.Join(r.cfg.Dir, f.Path)
		result.Files = append(result.Files, f)
	}
	if err := syncDir(dir); err != nil {
		failed = append(failed, fmt.Errorf("record: sync the folder: %w", err))
	}

	return result, errors.Join(failed...)
}

// syncDir makes the new names durable.
func syncDir(dir *os.Root) error {
	f, err := dir.Open(".")
	if err != nil {
		return err
	}
	defer f.Close()

	return f.Sync()
}
