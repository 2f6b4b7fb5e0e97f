package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/callctl/callctl/testbed/story"
)

// demoLimit is how long the story may take.
const demoLimit = 60 * time.Second

var (
	errStory    = errors.New("a step of the story did not hold")
	errNotReady = errors.New("the daemon did not become ready")
)

// demoCmd is "callctl demo".
type demoCmd struct {
	Once    bool   `help:"Tell the story and exit: 0 only if every step held."`
	JSON    bool   `help:"Print the figures as JSON."`
	Dir     string `help:"Keep the daemon's data in this folder instead of a temporary one." type:"path"`
	Listen  string `help:"Address of the API."         default:"127.0.0.1:8080"`
	Admin   string `help:"Address of the admin port."  default:"127.0.0.1:9090"`
	Verbose bool   `help:"Show the daemon's log on standard error."`
}

// Run tells the story; without --once it then stays up until it is interrupted.
func (c demoCmd) Run(ctx context.Context, t *terminal) (err error) {
	dir := c.Dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "callctl-demo-"); err != nil {
			return fmt.Errorf("demo folder: %w", err)
		}
		if c.Once {
			defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		}
	}
	logs := io.Discard
	if c.Verbose {
		logs = t.Err
	}
	listen, admin := c.Listen, c.Admin
	if c.Once {
		listen, admin = "127.0.0.1:0", "127.0.0.1:0"
	}
	logger := newLogger(LogConfig{Level: "debug", Format: "text"}, logs)
	w, err := newWorld(ctx, filepath.Join(dir, "data"), listen, admin, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	p := newParts(logger, 2*stopTimeout)
	p.start(ctx, "demo", w.Run)
	defer func() { err = errors.Join(err, p.stop()) }()
	if err := w.ready(ctx); err != nil {
		return err
	}
	if err := c.tell(ctx, w, dir, t.Out); err != nil || c.Once {
		return err
	}
	if err := c.invite(w, dir, t.Out); err != nil {
		return err
	}
	return p.wait(ctx)
}

// tell runs the story and prints its report.
func (c demoCmd) tell(ctx context.Context, w *world, dir string, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, demoLimit)
	defer cancel()
	spoken := out
	if c.JSON {
		spoken = io.Discard
	}
	report := story.Tell(ctx, story.Config{
		API: w.api, Token: w.token, Meta: w.meta, EightX8: w.eightX8, PBX: w.pbx, Witness: w.witness, Dir: dir, Out: spoken,
		Recordings: filepath.Join(w.daemon.cfg.DataDir, "recordings"),
		MetaAcc:    story.Account{Business: demoMetaBusiness, User: demoMetaUser},
		EightAc:    story.Account{Business: demo8x8Business, User: demo8x8User},
		Verify:     verifyElsewhere,
	})
	if c.JSON {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		if err := enc.Encode(report); err != nil {
			return fmt.Errorf("print report: %w", err)
		}
	}
	if !report.Held {
		return errStory
	}
	_, err := fmt.Fprintf(spoken, "\nEvery step held, in %.1f s.\n", report.TookMS/1000)
	return err
}

// verifyElsewhere runs "callctl verify" in a process of its own, from an empty
// environment: it has neither the daemon's database nor its addresses.
func verifyElsewhere(ctx context.Context, pack string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	cmd := exec.CommandContext(ctx, self, "--output", "table", "verify", pack) //nolint:gosec // this very program
	cmd.Env = []string{}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// ready waits until the daemon answers.
func (w *world) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	client := &http.Client{}
	defer client.CloseIdleConnections()
	for ctx.Err() == nil {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.admin+"/readyz", nil)
		if err != nil {
			return fmt.Errorf("readiness: %w", err)
		}
		if res, err := client.Do(req); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	return errNotReady
}

// invite says how to look around while the demo stays up.
func (c demoCmd) invite(w *world, dir string, out io.Writer) error {
	tokenFile := filepath.Join(dir, "token")
	if err := os.WriteFile(tokenFile, []byte(w.token+"\n"), 0o600); err != nil {
		return fmt.Errorf("keep token: %w", err)
	}
	_, err := fmt.Fprintf(out, `
The daemon and the fakes stay up until Ctrl-C. Look around in another terminal:

  export CALLCTL_URL=%s CALLCTL_TOKEN=$(cat %s)
  go run ./cmd/callctl calls list
  go run ./cmd/callctl permissions events '%s' '%s'
  go run ./cmd/callctl check --business '%s' --user '%s'
  curl -H "Authorization: Bearer $CALLCTL_TOKEN" $CALLCTL_URL/v1/audit/checkpoint

In a browser: %s/console/ (sign in with the token in that file), the API at %s/docs, metrics at %s/metrics.
`, w.api, tokenFile, demoMetaBusiness, demoMetaUser, demoMetaBusiness, demoMetaUser, w.api, w.api, w.admin)
	return err
}
