package audit_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/callctl/callctl/compliance/audit"
)

const crashDir = "CALLCTL_TEST_CRASH_DIR"

// A process is killed at any moment while it writes: what it was told to be
// committed is there, what it was not is there whole or not at all, and the tree
// verifies.
func TestKilledProcessLosesNothingAcknowledged(t *testing.T) {
	if dir := os.Getenv(crashDir); dir != "" {
		writeUntilKilled(t, dir)
		return
	}
	dir := t.TempDir()
	require.NoError(t, openHouse(t, dir).db.Close())
	rounds := 12
	if testing.Short() {
		rounds = 2
	}
	for round := range rounds {
		acknowledged := killedAfter(t, dir, time.Duration(3+7*round)*time.Millisecond)
		h := openHouse(t, dir)
		require.Greater(t, h.log.Size(), acknowledged, "round %d", round)
		require.Zero(t, h.log.Size()%3, "half a transaction in round %d", round)
		v, err := audit.VerifyDatabase(t.Context(), h.db.Read, audit.Verification{Dir: h.config().Dir})
		require.NoError(t, err)
		require.Equal(t, h.log.Size(), v.Entries)
		require.NoError(t, h.db.Close())
	}
}

// writeUntilKilled has several writers, which share transactions, print the last
// index of each of their parts once Update returned.
func writeUntilKilled(t *testing.T, dir string) {
	t.Helper()
	h := openHouse(t, dir)
	var printing sync.Mutex
	var group errgroup.Group
	for range 6 {
		group.Go(func() error {
			for {
				last, err := h.writeThree()
				if err != nil {
					return err
				}
				printing.Lock()
				fmt.Fprintln(os.Stdout, "committed", last)
				printing.Unlock()
				if last%30 == 29 {
					if _, err := h.log.Checkpoint(t.Context()); err != nil {
						return err
					}
				}
			}
		})
	}
	require.NoError(t, group.Wait())
}

// writeThree appends three entries and returns the index of the last.
func (h *house) writeThree() (last int64, err error) {
	err = h.log.Update(context.Background(), func(ctx context.Context, tx *audit.Tx) error {
		for i := range 3 {
			last, err = tx.Append(ctx, audit.Record{Kind: "call.attempted", Subject: fmt.Sprintf("s%d", i%2)})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return last, err
}

// killedAfter runs the writer, kills it some time after its first commit and
// returns the last index that it acknowledged.
func killedAfter(t *testing.T, dir string, d time.Duration) int64 {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	child := exec.CommandContext(t.Context(), self, "-test.run=^TestKilledProcessLosesNothingAcknowledged$")
	child.Env = append(os.Environ(), crashDir+"="+dir)
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	last := int64(-1)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var word, number string
		if n, _ := fmt.Sscan(lines.Text(), &word, &number); n != 2 || word != "committed" {
			continue
		}
		if last < 0 {
			time.AfterFunc(d, func() { _ = child.Process.Kill() })
		}
		n, err := strconv.ParseInt(number, 10, 64)
		require.NoError(t, err)
		last = max(last, n)
	}
	require.Error(t, child.Wait(), "the child must have been killed")
	require.GreaterOrEqual(t, last, int64(0), "the child committed nothing")
	return last
}
