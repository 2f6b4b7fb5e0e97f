package record

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestNewRefuses(t *testing.T) {
	good := Config{Dir: t.TempDir(), CallID: "a", User: Opus, Agent: PCMA}
	_, err := New(good)
	require.NoError(t, err)
	for _, spoil := range []func(*Config){
		func(c *Config) { c.Dir = "" },
		func(c *Config) { c.CallID = "" },
		func(c *Config) { c.CallID = "../a" },
		func(c *Config) { c.CallID = "a.b" },
		func(c *Config) { c.User = "g729" },
		func(c *Config) { c.Agent = "" },
	} {
		c := good
		spoil(&c)
		_, err := New(c)
		require.ErrorIs(t, err, ErrConfig)
	}
}

// TestAStalledWriterDelaysNobody fills the ring while no Run empties it.
func TestAStalledWriterDelaysNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := New(Config{Dir: t.TempDir(), CallID: "a", User: PCMU, Agent: PCMU})
		require.NoError(t, err)
		for i := range slots + 100 {
			r.Tap(User, make([]byte, 160), uint16(i), uint32(160*i)) // in a bubble a wait would be a deadlock
		}
		require.Equal(t, uint64(100), r.tracks[User].dropped.Load())
		require.Zero(t, r.tracks[Agent].dropped.Load())

		rec := &recording{Recorder: r, t: t, stop: func() {}, done: make(chan struct{})}
		go func() {
			defer close(rec.done)
			ctx, cancel := contextFor(t, time.Second)
			defer cancel()
			rec.got, rec.err = r.Run(ctx)
		}()
		rec.end()
		require.Equal(t, uint64(slots), rec.file(User).Packets)
		require.Equal(t, uint64(100), rec.file(User).Dropped)
		r.Tap(User, make([]byte, 160), 0, 0) // after the end, too
		_, err = r.Run(t.Context())
		require.ErrorIs(t, err, ErrRun)
	})
}

// TestTwoReaders has both legs and the writer at work at once, for the race
// detector, and accounts for every packet.
func TestTwoReaders(t *testing.T) {
	r := begin(t, Config{User: Opus, Agent: PCMU})
	const each = 20000
	var readers sync.WaitGroup
	for _, leg := range []Leg{User, Agent} {
		readers.Go(func() {
			for i := range each {
				r.Tap(leg, frame(i), uint16(i), uint32(i)*960)
				if i%64 == 0 {
					time.Sleep(time.Millisecond)
				}
			}
		})
	}
	readers.Wait()
	r.end()
	for _, f := range r.got.Files {
		require.Equal(t, uint64(each), f.Packets+f.Dropped+f.Late, f.Leg)
		require.NotZero(t, f.Packets)
	}
}

func TestFilesAreTheOwnersAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "deep", "recordings")
		r := begin(t, Config{Dir: dir, User: Opus, Agent: PCMU})
		time.Sleep(time.Second)
		require.Equal(t, []string{"call-1.agent.wav.part", "call-1.user.opus.part"}, names(t, dir))
		r.end()
		require.Equal(t, []string{"call-1.agent.wav", "call-1.user.opus"}, names(t, dir))
		mode := func(name string) fs.FileMode {
			st, err := os.Stat(name)
			require.NoError(t, err)

			return st.Mode().Perm()
		}
		require.Equal(t, fs.FileMode(0o700), mode(dir))
		for _, f := range r.got.Files {
			require.Equal(t, fs.FileMode(0o600), mode(f.Path))
		}
	})
}

// TestOneTrackFails leaves the other whole, and never replaces a recording.
func TestOneTrackFails(t *testing.T) {
	dir := t.TempDir()
	taken := filepath.Join(dir, "call-1.user.opus")
	require.NoError(t, os.WriteFile(taken, []byte("an earlier one"), 0o600))
	synctest.Test(t, func(t *testing.T) {
		r := begin(t, Config{Dir: dir, User: Opus, Agent: PCMU})
		r.play(0, 20)
		r.stop()
		<-r.done
		require.ErrorIs(t, r.err, ErrExists)
		require.Len(t, r.got.Files, 1)
		require.Equal(t, Agent, r.got.Files[0].Leg)

		r = begin(t, Config{Dir: dir, User: Opus, Agent: PCMU}) // its .part is still there
		r.play(0, 2*slots)
		r.stop()
		<-r.done
		require.ErrorIs(t, r.err, fs.ErrExist)
		require.Zero(t, r.tracks[User].dropped.Load(), "a lost track empties its ring")
	})
	b, err := os.ReadFile(taken)
	require.NoError(t, err)
	require.Equal(t, "an earlier one", string(b))
}

func TestDiskFailsMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := begin(t, Config{User: Opus, Agent: PCMU})
		synctest.Wait()
		require.NoError(t, r.tracks[User].file.Close())
		r.play(0, 300)
		r.stop()
		<-r.done
		require.ErrorIs(t, r.err, fs.ErrClosed)
		require.Len(t, r.got.Files, 1)
		require.Equal(t, 6*time.Second, r.file(Agent).Duration)
	})
}

func TestNoFolder(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(name, nil, 0o600))
	r, err := New(Config{Dir: name, CallID: "a", User: Opus, Agent: PCMU})
	require.NoError(t, err)
	got, err := r.Run(t.Context())
	require.Error(t, err)
	require.Empty(t, got.Files)
}

// TestKilled records in a process of its own and kills it.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), dieEnv+"="+dir)
	require.NoError(t, cmd.Start())
	grown := func() bool {
		st, err := os.Stat(filepath.Join(dir, "killed.agent.wav.part"))

		return err == nil && st.Size() > 50000
	}
	require.Eventually(t, grown, 20*time.Second, 20*time.Millisecond)
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	require.Equal(t, []string{"killed.agent.wav.part", "killed.user.opus.part"}, names(t, dir))
}

func TestTapAllocatesNothing(t *testing.T) {
	r, payload := tapped(t)
	n := 0
	allocs := testing.AllocsPerRun(1000, func() {
		r.Tap(User, payload, uint16(n), uint32(n*960))
		r.tracks[User].order()
		r.tracks[User].pop()
		n++
	})
	require.Zero(t, allocs)
	require.Zero(t, r.tracks[User].dropped.Load())
	require.Zero(t, testing.AllocsPerRun(2*slots, func() { r.Tap(Agent, payload, 0, 0) }), "nor when it drops")
	require.NotZero(t, r.tracks[Agent].dropped.Load())
}

// BenchmarkTap is what a recorded packet costs the goroutine that reads it.
func BenchmarkTap(b *testing.B) {
	r, payload := tapped(b)
	track := &r.tracks[User]
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		r.Tap(User, payload, uint16(n), uint32(n*960))
		if n%slots == slots-1 {
			track.tail.Store(track.head.Load())
		}
	}
}
