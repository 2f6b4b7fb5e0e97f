package audit_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/migrations"
)

const exampleCheckpoint = "callctl/acme\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"

func TestParseCheckpoint(t *testing.T) {
	c, err := audit.ParseCheckpoint([]byte(exampleCheckpoint + "time 2026-11-22T18:00:00.123Z\nother extension\n"))
	require.NoError(t, err)
	require.Equal(t, "callctl/acme", c.Origin)
	require.Equal(t, int64(20852163), c.Size)
	require.Equal(t, byte(0x0a), c.Root[0])
	require.Equal(t, time.Date(2026, 11, 22, 18, 0, 0, 123e6, time.UTC), c.Time)
	for _, bad := range []string{
		"", "\n", "a\n1\n", "a\n01\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
		strings.TrimSuffix(exampleCheckpoint, "\n"),
		exampleCheckpoint + "\n",
		strings.Replace(exampleCheckpoint, "2085", "-2085", 1),
		strings.Replace(exampleCheckpoint, "xq2I=", "xq2J=", 1),
		strings.Replace(exampleCheckpoint, "xq2I=", "xq2I", 1),
		"\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
		exampleCheckpoint + "time yesterday\n",
		exampleCheckpoint + "time 2026-11-22T18:00:00.123Z\ntime 2026-11-22T18:00:00.123Z\n",
	} {
		_, err := audit.ParseCheckpoint([]byte(bad))
		require.ErrorIs(t, err, audit.ErrCheckpoint, "%q", bad)
	}
}

func FuzzParseCheckpoint(f *testing.F) {
	f.Add([]byte(exampleCheckpoint))
	f.Add([]byte(exampleCheckpoint + "time 2026-11-22T18:00:00.123Z\n"))
	f.Add([]byte("a\n0\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := audit.ParseCheckpoint(b)
		if err != nil {
			require.ErrorIs(t, err, audit.ErrCheckpoint)
			return
		}
		require.NotEmpty(t, c.Origin)
		require.GreaterOrEqual(t, c.Size, int64(0))
	})
}

func TestCheckpointOpensWithItsKeyOnly(t *testing.T) {
	h, other := openHouse(t, t.TempDir()), openHouse(t, t.TempDir())
	h.fill(t, 5)
	c, err := h.log.Checkpoint(t.Context())
	require.NoError(t, err)
	got, err := audit.OpenCheckpoint(c.Note, h.log.VerifierKey())
	require.NoError(t, err)
	require.Equal(t, c, got)
	require.Equal(t, "callctl/test", got.Origin)
	_, err = audit.OpenCheckpoint(c.Note, other.log.VerifierKey())
	require.ErrorIs(t, err, audit.ErrCheckpoint)
	_, err = audit.OpenCheckpoint([]byte(strings.Replace(string(c.Note), "\n5\n", "\n6\n", 1)), h.log.VerifierKey())
	require.ErrorIs(t, err, audit.ErrCheckpoint)
	_, err = audit.OpenCheckpoint(c.Note, "nonsense")
	require.ErrorIs(t, err, audit.ErrKey)

	anchor, err := os.ReadFile(filepath.Join(h.config().Dir, audit.AnchorFile))
	require.NoError(t, err)
	require.Equal(t, c.Note, anchor)
	pub, err := os.ReadFile(filepath.Join(h.config().Dir, audit.VerifierKeyFile))
	require.NoError(t, err)
	require.Equal(t, h.log.VerifierKey()+"\n", string(pub))
}

func TestSignedTextsAreNoCheckpoints(t *testing.T) {
	h := openHouse(t, t.TempDir())
	_, err := h.log.Sign("callctl/test\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n")
	require.ErrorIs(t, err, audit.ErrCheckpoint)
	_, err = h.log.Sign("")
	require.Error(t, err)
	signed, err := h.log.Sign("callctl-evidence-pack/1\nsha256 00\n")
	require.NoError(t, err)
	_, err = audit.OpenCheckpoint(signed, h.log.VerifierKey())
	require.ErrorIs(t, err, audit.ErrCheckpoint)
}

func TestAnotherOriginIsRefused(t *testing.T) {
	h := openHouse(t, t.TempDir())
	cfg := h.config()
	cfg.Origin = "callctl/other"
	_, err := audit.New(t.Context(), cfg)
	require.ErrorIs(t, err, audit.ErrOrigin)
}

func TestConfigIsChecked(t *testing.T) {
	h := openHouse(t, t.TempDir())
	for _, change := range []func(*audit.Config){
		func(c *audit.Config) { c.Write = nil },
		func(c *audit.Config) { c.Read = nil },
		func(c *audit.Config) { c.Dir = "" },
		func(c *audit.Config) { c.Now = nil },
	} {
		cfg := h.config()
		change(&cfg)
		_, err := audit.New(t.Context(), cfg)
		require.ErrorIs(t, err, audit.ErrConfig)
	}
}

// Run anchors what was there, each minute what has come, and the rest at the end;
// an idle log is left alone.
func TestRunAnchorsEachMinute(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		db, err := migrations.Open(t.Context(), filepath.Join(dir, "callctl.db"))
		require.NoError(t, err)
		defer db.Close()
		log, err := audit.New(t.Context(), audit.Config{Write: db.Write, Read: db.Read, Dir: dir, Now: time.Now})
		require.NoError(t, err)
		add := func() {
			require.NoError(t, log.Update(t.Context(), func(ctx context.Context, tx *audit.Tx) error {
				_, err := tx.Append(ctx, audit.Record{Kind: "call.attempted"})
				return err
			}))
		}
		anchored := func() audit.Checkpoint {
			b, err := os.ReadFile(filepath.Join(dir, audit.AnchorFile))
			require.NoError(t, err)
			c, err := audit.OpenCheckpoint(b, log.VerifierKey())
			require.NoError(t, err)
			return c
		}
		add()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- log.Run(ctx) }()
		synctest.Wait()
		require.Equal(t, int64(1), anchored().Size)
		add()
		time.Sleep(59 * time.Second)
		require.Equal(t, int64(1), anchored().Size)
		time.Sleep(2 * time.Second)
		require.Equal(t, int64(2), anchored().Size)
		signed := anchored().Time
		time.Sleep(10 * time.Minute)
		require.Equal(t, signed, anchored().Time, "nothing new to anchor")
		add()
		cancel()
		require.NoError(t, <-done)
		require.Equal(t, int64(3), anchored().Size)
	})
}
