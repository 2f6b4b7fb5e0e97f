package deploy

import (
	"bytes"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	root      = ".."
	installed = "/usr/local/bin/callctl" // where README.md puts the binary
)

// unit is the systemd unit: the values of each key of [Service], in order.
func unit(tb testing.TB) map[string][]string {
	tb.Helper()
	b, err := os.ReadFile("callctl.service")
	require.NoError(tb, err)
	keys := map[string][]string{}
	for line := range strings.Lines(string(b)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(key, "#") {
			keys[key] = append(keys[key], value)
		}
	}
	return keys
}

// instruction is a line of the container file; stage counts its FROM lines.
type instruction struct {
	stage     int
	name, arg string
}

func containerfile() (list []instruction, err error) {
	b, err := os.ReadFile("Containerfile")
	if err != nil {
		return nil, err
	}
	stage := 0
	for line := range strings.Lines(string(b)) {
		name, arg, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || name == "#" {
			continue
		}
		if name == "FROM" {
			stage++
		}
		list = append(list, instruction{stage, name, arg})
	}
	return list, nil
}

// one is the argument of the only such instruction of the image.
func one(tb testing.TB, list []instruction, name string) string {
	tb.Helper()
	var found []string
	for _, i := range list {
		if i.stage == 2 && i.name == name {
			found = append(found, i.arg)
		}
	}
	require.Len(tb, found, 1, name)
	return found[0]
}

// binary is the program, built once from what the container file copies, by the
// command that it runs.
func binary(tb testing.TB) string {
	tb.Helper()
	path, err := built()
	require.NoError(tb, err)
	return path
}

var built = sync.OnceValues(build)

// scratch is a folder for all tests: the build and the image.
var scratch string

func TestMain(m *testing.M) {
	code := func() int {
		var err error
		if scratch, err = os.MkdirTemp("", "callctl-deploy-"); err != nil {
			return 1
		}
		defer os.RemoveAll(scratch)
		return m.Run()
	}()
	os.Exit(code) //nolint:forbidigo // a TestMain ends its process
}

func build() (string, error) {
	lines, err := containerfile()
	if err != nil {
		return "", err
	}
	src, out := filepath.Join(scratch, "src"), filepath.Join(scratch, "out")
	command := ""
	for _, i := range lines {
		switch {
		case i.stage == 1 && i.name == "COPY":
			words := strings.Fields(i.arg)
			to := words[len(words)-1]
			for _, from := range words[:len(words)-1] {
				if err := copyInto(filepath.Join(root, from), filepath.Join(src, to), from); err != nil {
					return "", err
				}
			}
		case i.stage == 1 && i.name == "RUN" && strings.Contains(i.arg, "go build"):
			command = strings.ReplaceAll(i.arg, "/out/", out+"/")
		}
	}
	cmd := exec.Command("sh", "-ec", command)
	cmd.Dir, cmd.Env = src, append(os.Environ(), "VERSION=v0.0.0-test", "GOFLAGS=-mod=readonly")
	if b, err := cmd.CombinedOutput(); err != nil {
		return "", &exec.Error{Name: string(b), Err: err}
	}
	return filepath.Join(out, "callctl"), nil
}

// copyInto copies as COPY does: a file into a folder, a folder's content.
func copyInto(from, to, name string) error {
	st, err := os.Stat(from)
	if err != nil {
		return err
	}
	if st.IsDir() {
		return os.CopyFS(to, os.DirFS(from))
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(to, name), b, 0o600)
}

// configure fills a folder with the example configuration and the files that it
// names, and returns their names.
func configure(tb testing.TB, dir string) []string {
	tb.Helper()
	example, err := os.ReadFile(filepath.Join(root, "callctl.example.yaml"))
	require.NoError(tb, err)
	names := []string{"callctl.yaml"}
	require.NoError(tb, os.WriteFile(filepath.Join(dir, "callctl.yaml"), example, 0o444))
	for _, m := range regexp.MustCompile(`(?m)^\s*\w+_file: (\S+)$`).FindAllStringSubmatch(string(example), -1) {
		names = append(names, m[1])
		require.NoError(tb, os.WriteFile(filepath.Join(dir, m[1]), []byte("secret-in-"+m[1]+"-0123456789\n"), 0o444))
	}
	return names
}

// ports are what two daemons on one machine cannot share.
func ports() []string {
	return []string{
		"CALLCTL_HTTP_LISTEN=127.0.0.1:0", "CALLCTL_HTTP_ADMIN=127.0.0.1:0",
		"CALLCTL_SIP_LISTEN=udp://127.0.0.1:0,tcp://127.0.0.1:0",
	}
}

type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// serves starts the daemon, asks whether it is ready, and stops it by SIGTERM.
func serves(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	var out output
	cmd.Stdout, cmd.Stderr = &out, &out
	require.NoError(t, cmd.Start())
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	var ended bool
	t.Cleanup(func() {
		if !ended {
			_ = cmd.Process.Kill()
			<-exited
		}
	})
	ready := regexp.MustCompile(`msg=ready .*admin=(\S+)`)
	var admin string
	require.Eventually(t, func() bool {
		m := ready.FindStringSubmatch(out.String())
		if m != nil {
			admin = m[1]
		}
		return m != nil || len(exited) > 0
	}, 30*time.Second, 10*time.Millisecond)
	require.NotEmpty(t, admin, "%s", &out)
	res, err := http.Get("http://" + admin + "/readyz")
	require.NoError(t, err)
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusOK, res.StatusCode, "%s", body)
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	err = <-exited
	ended = true
	require.NoError(t, err, "%s", &out)
}

// The unit's command line starts the daemon, from the folder of credentials that
// the unit names and no other file, and it writes into the state folder alone.
func TestUnitStartsTheDaemon(t *testing.T) {
	credentials, state, cwd := t.TempDir(), t.TempDir(), t.TempDir()
	names := configure(t, credentials)
	u := unit(t)
	var loaded []string
	for _, c := range u["LoadCredential"] {
		id, path, _ := strings.Cut(c, ":")
		require.Equal(t, "/etc/callctl/"+id, path)
		loaded = append(loaded, id)
	}
	require.ElementsMatch(t, names, loaded, "the unit loads the files that callctl.example.yaml names")
	expand := strings.NewReplacer("%d", credentials, "%S", state, "%%", "%")
	require.Len(t, u["ExecStart"], 1)
	args := strings.Fields(expand.Replace(u["ExecStart"][0]))
	require.Equal(t, installed, args[0])
	cmd := exec.CommandContext(t.Context(), binary(t), args[1:]...)
	cmd.Dir, cmd.Env = cwd, ports()
	for _, e := range u["Environment"] {
		cmd.Env = append(cmd.Env, strings.Fields(expand.Replace(e))...)
	}
	require.Equal(t, []string{"callctl"}, u["StateDirectory"])
	serves(t, cmd)
	require.FileExists(t, filepath.Join(state, "callctl", "callctl.db"))
	left, err := os.ReadDir(cwd)
	require.NoError(t, err)
	require.Empty(t, left)
	left, err = os.ReadDir(credentials)
	require.NoError(t, err)
	require.Len(t, left, len(names))
}

// Exit code 2 is a wrong configuration, which the unit does not start again.
func TestUnitKnowsTheExitCodes(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "callctl.yaml"), []byte("tokens: []\n"), 0o600))
	cmd := exec.CommandContext(t.Context(), binary(t), "serve", "--config", filepath.Join(dir, "callctl.yaml"))
	var exit *exec.ExitError
	require.ErrorAs(t, cmd.Run(), &exit)
	require.Equal(t, 2, exit.ExitCode())
	require.Equal(t, []string{"2"}, unit(t)["RestartPreventExitStatus"])
}

// systemd's own reading of the unit: nothing unknown, and little exposed.
func TestUnitIsGoodAndHardened(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed (Debian package systemd)")
	}
	b, err := os.ReadFile("callctl.service")
	require.NoError(t, err)
	// The program is not installed here; any other will do to read the unit.
	path := filepath.Join(t.TempDir(), "callctl.service")
	require.NoError(t, os.WriteFile(path, bytes.ReplaceAll(b, []byte(installed), []byte("/bin/true")), 0o600))
	out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", path).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NotContains(t, string(out), "callctl.service")
	out, err = exec.CommandContext(t.Context(), analyze, "security", "--offline=true", "--threshold=20", path).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// The image's content, without a container engine: a root that holds what the
// file copies into scratch and nothing else, the image's user, environment and
// command line.
func TestImageStartsTheDaemon(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root may change the root folder of a process")
	}
	list, err := containerfile()
	require.NoError(t, err)
	image := filepath.Join(scratch, "image")
	for _, i := range list {
		if i.stage == 2 && i.name == "COPY" {
			place(t, image, strings.Fields(i.arg))
		}
	}
	require.Equal(t, "65532:65532", one(t, list, "USER"))
	etc := filepath.Join(image, "etc", "callctl")
	require.NoError(t, os.MkdirAll(etc, 0o755))
	configure(t, etc)
	require.NoError(t, filepath.WalkDir(filepath.Join(image, "etc"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			err = os.Chmod(path, 0o755)
		}
		return err
	}))
	require.NoError(t, os.Chmod(scratch, 0o755))
	require.NoError(t, os.Chmod(image, 0o755))

	var entry, command []string
	require.NoError(t, json.Unmarshal([]byte(one(t, list, "ENTRYPOINT")), &entry))
	require.NoError(t, json.Unmarshal([]byte(one(t, list, "CMD")), &command))
	args := slices.Concat(entry, command)
	cmd := &exec.Cmd{Path: args[0], Args: args, Dir: "/", Env: append(ports(), strings.Fields(one(t, list, "ENV"))...)}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: image, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
	serves(t, cmd)
	require.FileExists(t, filepath.Join(image, one(t, list, "VOLUME"), "callctl.db"))

	var out output
	version := &exec.Cmd{Path: entry[0], Args: append(entry, "-o", "json", "version"), Dir: "/", Env: strings.Fields(one(t, list, "ENV"))}
	version.SysProcAttr, version.Stdout, version.Stderr = cmd.SysProcAttr, &out, &out
	require.NoError(t, version.Run(), "%s", &out)
	require.Contains(t, out.String(), "v0.0.0-test")
}

// place puts one COPY --from=build of the image in its place.
func place(t *testing.T, image string, words []string) {
	t.Helper()
	owner := 0
	for strings.HasPrefix(words[0], "--") {
		if words[0] == "--chown=65532:65532" {
			owner = 65532
		}
		words = words[1:]
	}
	to := filepath.Join(image, words[1])
	require.NoError(t, os.MkdirAll(filepath.Dir(to), 0o755))
	switch from := words[0]; from {
	case "/out/data":
		require.NoError(t, os.MkdirAll(to, 0o700))
	case "/out/callctl":
		require.NoError(t, os.Link(binary(t), to))
		require.NoError(t, os.Chmod(to, 0o755))
	case "/usr/local/go/lib/time/zoneinfo.zip":
		copyFile(t, filepath.Join(runtime.GOROOT(), "lib", "time", "zoneinfo.zip"), to) //nolint:staticcheck // the Go that runs the test
	default:
		if _, err := os.Stat(from); err != nil {
			t.Logf("%s is not on this machine", from)
			return
		}
		copyFile(t, from, to)
	}
	require.NoError(t, os.Chown(to, owner, owner))
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(to, b, 0o644))
}
