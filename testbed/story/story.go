// Package story tells, against a running daemon and the fakes of testbed, how a
// company comes to call a customer lawfully: asked, allowed, called, called
// back, told to stop, and proven. It knows callctl only by HTTP, by the wire and
// by its command line, as a stranger would.
package story

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/callctl/callctl/testbed/eightx8"
	"github.com/callctl/callctl/testbed/meta"
	"github.com/callctl/callctl/testbed/pbx"
)

// ErrStep is wrapped by the error of a step that did not hold.
var ErrStep = errors.New("step did not hold")

// Account is a business number as the daemon knows it.
type Account struct {
	Business string // E.164 with plus
	User     string // the customer of the story, E.164 with plus
}

// Config is where the story takes place.
type Config struct {
	API     string // base URL of the daemon
	Token   string
	Client  *http.Client
	Meta    *meta.Fake
	EightX8 *eightx8.Fake
	PBX     *pbx.PBX
	Witness *Witness // before Meta's handler
	MetaAcc Account
	EightAc Account
	Dir     string // for the evidence pack and its altered copy
	// Recordings is the folder where the daemon keeps recordings.
	Recordings string
	// Verify runs "callctl verify PACK" in a process of its own.
	Verify func(ctx context.Context, pack string) (output string, err error)
	Out    io.Writer // the story for a person; io.Discard for none
}

// Step is what one step proved.
type Step struct {
	Number int           `json:"step"`
	Title  string        `json:"title"`
	Held   bool          `json:"held"`
	Proofs []string      `json:"proofs"`
	Error  string        `json:"error,omitempty"`
	Took   time.Duration `json:"-"`
	TookMS float64       `json:"tookMs"`
}

// Report is the whole story.
type Report struct {
	Held    bool               `json:"held"`
	Steps   []Step             `json:"steps"`
	Figures map[string]float64 `json:"figures"` // units in the names
	TookMS  float64            `json:"tookMs"`
}

// teller carries what later steps need to know of earlier ones.
type teller struct {
	Config
	api     *api
	proofs  []string
	figures map[string]float64
}

// prove notes something that was checked and held.
func (t *teller) prove(format string, args ...any) {
	t.proofs = append(t.proofs, fmt.Sprintf(format, args...))
}

// figure notes a measured number.
func (t *teller) figure(name string, v float64) { t.figures[name] = v }

type chapter struct {
	title string
	tell  func(*teller, context.Context) error
}

func chapters() []chapter {
	return []chapter{
		{"The business asks for permission to call", (*teller).ask},
		{"The customers tap Allow", (*teller).allow},
		{"8x8's word is asked for before it is relied on", (*teller).readBack},
		{"A callback is due: gate, attempt, then the call (G.711)", (*teller).callBack},
		{"Each end hears the other; a second call speaks Opus", (*teller).hear},
		{"The customer calls the business", (*teller).customerCalls},
		{"\"stop calls\": obeyed within a second", (*teller).stop},
		{"The evidence: exported, verified, and a forgery refused", (*teller).evidence},
	}
}

// Tell runs the story to its end or to the first step that does not hold.
func Tell(ctx context.Context, cfg Config) Report {
	t := &teller{Config: cfg, api: newAPI(cfg), figures: map[string]float64{}}
	t.Witness.ask(t.api)
	r := Report{Held: true, Figures: t.figures}
	began := time.Now()
	for i, c := range chapters() {
		s := t.run(ctx, i+1, c)
		r.Steps = append(r.Steps, s)
		if !s.Held {
			r.Held = false
			break
		}
	}
	r.TookMS = ms(time.Since(began))
	return r
}

func (t *teller) run(ctx context.Context, n int, c chapter) Step {
	t.proofs = nil
	t.say("\n%d. %s\n", n, c.title)
	began := time.Now()
	err := c.tell(t, ctx)
	s := Step{Number: n, Title: c.title, Held: err == nil, Proofs: t.proofs, Took: time.Since(began)}
	s.TookMS = ms(s.Took)
	for _, p := range s.Proofs {
		t.say("   ✓ %s\n", p)
	}
	if err != nil {
		s.Error = err.Error()
		t.say("   ✗ %s\n", s.Error)
	}
	return s
}

func (t *teller) say(format string, args ...any) {
	_, _ = fmt.Fprintf(t.Out, format, args...) // the story is told for its proofs, not for its output
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// failf is the error of a step that did not hold.
func failf(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrStep, fmt.Sprintf(format, args...))
}

// poll is how often until looks again.
const poll = 10 * time.Millisecond

// until waits for cond, at most for d.
func until(ctx context.Context, d time.Duration, what string, cond func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		ok, err := cond(ctx)
		if ok {
			return nil
		}
		if err != nil && ctx.Err() == nil {
			return err
		}
		select {
		case <-ctx.Done():
			return failf("%s did not happen within %s", what, d)
		case <-tick.C:
		}
	}
}
