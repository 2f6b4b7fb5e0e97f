//go:build unix

package migrations

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

const lockedPath = "CALLCTL_TEST_LOCKED_PATH"

// The kernel lets go of the lock of a process that was killed.
func TestLockEndsWithItsProcess(t *testing.T) {
	if path := os.Getenv(lockedPath); path != "" {
		_, err := Open(t.Context(), path)
		require.NoError(t, err)
		require.NoError(t, killSelf())
	}
	path := filepath.Join(t.TempDir(), "callctl.db")
	self, err := os.Executable()
	require.NoError(t, err)
	child := exec.CommandContext(t.Context(), self, "-test.run=^TestLockEndsWithItsProcess$")
	child.Env = append(os.Environ(), lockedPath+"="+path)
	var exit *exec.ExitError
	require.ErrorAs(t, child.Run(), &exit, "the child must have been killed")
	require.FileExists(t, path+"-wal", "the child held the database open")
	db := open(t, path)
	require.NotNil(t, db)
}

func killSelf() error {
	p, err := os.FindProcess(os.Getpid())
	if err != nil {
		return err
	}
	if err := p.Kill(); err != nil {
		return err
	}
	select {}
}
