package sipbridge_test

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// need finds a program that this project did not write. Where peers are required
// (CI=true or CALLCTL_PEERS=required) its absence fails the test, elsewhere it
// skips with the words what to install.
func need(t *testing.T, program, pkg string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		missing(t, program+" is not installed: apt-get install "+pkg)
	}
	return path
}

func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" || os.Getenv("CALLCTL_PEERS") == "required" {
		require.FailNow(t, what)
	}
	t.Skip(what)
}

// process is a running peer; its output is kept for the failure message.
type process struct {
	cmd  *exec.Cmd
	out  *lockedBuffer
	done chan error
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// start runs a peer until it ends or the test does.
func start(t *testing.T, dir, path string, args ...string) *process {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	p := &process{cmd: exec.CommandContext(ctx, path, args...), out: &lockedBuffer{}, done: make(chan error, 1)}
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, p.out, p.out
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(os.Interrupt) }
	p.cmd.WaitDelay = 3 * time.Second
	require.NoError(t, p.cmd.Start())
	go func() { p.done <- p.cmd.Wait() }()
	t.Cleanup(func() {
		cancel()
		select {
		case <-p.done:
		case <-time.After(5 * time.Second):
		}
	})
	return p
}

// succeeded waits for the peer to end well: SIPp exits 0 only when its scenario
// went as written.
func (p *process) succeeded(t *testing.T) {
	t.Helper()
	select {
	case err := <-p.done:
		p.done <- err
		require.NoError(t, err, "%s", p.out)
	case <-time.After(20 * time.Second):
		require.FailNow(t, "peer did not end", "%s", p.out)
	}
}

// freePort is a port of 127.0.0.1 that nobody has now, over UDP or TCP, and whose
// neighbours SIPp may take for its media.
func freePort(t *testing.T) int {
	t.Helper()
	for {
		c, err := net.ListenPacket("udp", "127.0.0.1:0")
		require.NoError(t, err)
		l, err := net.Listen("tcp", c.LocalAddr().String())
		require.NoError(t, c.Close())
		if err == nil {
			require.NoError(t, l.Close())
			return l.Addr().(*net.TCPAddr).Port
		}
	}
}

// sipp runs one call of a scenario against the bridge's address; port is SIPp's.
func sipp(t *testing.T, transport, scenario string, port int, extra ...string) *process {
	t.Helper()
	path := need(t, "sipp", "sip-tester")
	file, err := os.Getwd()
	require.NoError(t, err)
	dir := t.TempDir()
	mode := map[string]string{"udp": "u1", "tcp": "t1"}[transport]
	media := freePort(t) &^ 1
	args := append([]string{
		"-sf", file + "/testdata/sipp/" + scenario + ".xml", "-i", "127.0.0.1", "-p", strconv.Itoa(port), "-t", mode,
		"-mi", "127.0.0.1", "-mp", strconv.Itoa(media), "-rtp_echo", "-m", "1", "-nostdin",
		"-timeout", "15s", "-timeout_error", "-trace_err", "-error_file", "/dev/stderr",
	}, extra...)
	return start(t, dir, path, args...)
}
