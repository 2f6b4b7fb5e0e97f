package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"text/tabwriter"
	"time"
)

var (
	errBench  = errors.New("the benchmark could not be done")
	errFigure = errors.New("a figure that must hold does not")
)

// benchCmd is "callctl bench": the figures that the manual quotes, measured on
// this machine between the real daemon and the fakes of testbed, in one process
// and over real sockets and files.
type benchCmd struct {
	Webhooks  int           `help:"Signed webhooks to deliver, one after the other."          default:"2000"`
	Decisions int           `help:"Decisions with attempt to take, one after the other."      default:"2000"`
	Calls     int           `help:"Calls to place before goroutines and files are counted."   default:"100"`
	Duration  time.Duration `help:"Length of the call in which packets are counted."          default:"60s"`
	Settle    time.Duration `help:"How long after the last call goroutines and files count."  default:"40s"`
	JSON      bool          `help:"Print JSON."`
}

// figures is what was measured; latencies in milliseconds.
type figures struct {
	Machine       string  `json:"machine"`
	WebhookP50    float64 `json:"webhookToLedgerP50Ms"`
	WebhookP99    float64 `json:"webhookToLedgerP99Ms"`
	DecisionP50   float64 `json:"decisionWithAttemptP50Ms"`
	DecisionP99   float64 `json:"decisionWithAttemptP99Ms"`
	APIToGraphP50 float64 `json:"apiToGraphP50Ms"`
	APIToGraphP99 float64 `json:"apiToGraphP99Ms"`
	CallSeconds   float64 `json:"callSeconds"`
	ToAgent       uint64  `json:"packetsToAgent"`
	ToUser        uint64  `json:"packetsToUser"`
	Lost          uint64  `json:"packetsLost"`
	Calls         int     `json:"calls"`
	SettleSeconds float64 `json:"settleSeconds"`
	GoroutinesAt  int     `json:"goroutinesBefore"`
	Goroutines    int     `json:"goroutinesAfter"`
	FilesAt       int     `json:"filesBefore"`
	Files         int     `json:"filesAfter"`
	BinaryBytes   int64   `json:"binaryBytes"`
}

// Run measures everything in one world and prints it. It fails when packets
// were lost, or goroutines or files are left over.
func (c benchCmd) Run(ctx context.Context, t *terminal) (err error) {
	dir, err := os.MkdirTemp("", "callctl-bench-")
	if err != nil {
		return fmt.Errorf("bench folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	logger := newLogger(LogConfig{Level: "error", Format: "text"}, t.Err)
	w, err := newWorld(ctx, filepath.Join(dir, "data"), "127.0.0.1:0", "127.0.0.1:0", logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	p := newParts(logger, 2*stopTimeout)
	p.start(ctx, "bench", w.Run)
	defer func() { err = errors.Join(err, p.stop()) }()
	if err := w.ready(ctx); err != nil {
		return err
	}
	f := figures{Machine: fmt.Sprintf("%s/%s, %d cores, %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())}
	b := &bench{benchCmd: &c, world: w, f: &f}
	for _, measure := range []func(context.Context) error{b.webhooks, b.decisions, b.calls, b.longCall, b.binary} {
		if err := measure(ctx); err != nil {
			return err
		}
	}
	if err := c.print(t.Out, f); err != nil {
		return err
	}
	if f.Lost > 0 || f.Goroutines > f.GoroutinesAt || f.Files > f.FilesAt {
		return fmt.Errorf("%w: %d packets lost, %+d goroutines, %+d files", errFigure, f.Lost, f.Goroutines-f.GoroutinesAt, f.Files-f.FilesAt)
	}
	return nil
}

func (c benchCmd) print(out io.Writer, f figures) error {
	if c.JSON {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		if err := enc.Encode(f); err != nil {
			return fmt.Errorf("print: %w", err)
		}
		return nil
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, row := range [][2]string{
		{"machine", f.Machine},
		{"webhook to durable ledger", fmt.Sprintf("p50 %.2f ms, p99 %.2f ms", f.WebhookP50, f.WebhookP99)},
		{"decision with attempt", fmt.Sprintf("p50 %.2f ms, p99 %.2f ms", f.DecisionP50, f.DecisionP99)},
		{"API call to Graph request", fmt.Sprintf("p50 %.2f ms, p99 %.2f ms", f.APIToGraphP50, f.APIToGraphP99)},
		{fmt.Sprintf("packets lost in a %.0f s call", f.CallSeconds), fmt.Sprintf("%d (%d to the agent, %d to the user)", f.Lost, f.ToAgent, f.ToUser)},
		{fmt.Sprintf("goroutines %.0f s after %d calls", f.SettleSeconds, f.Calls), fmt.Sprintf("%d, at the start %d", f.Goroutines, f.GoroutinesAt)},
		{fmt.Sprintf("file descriptors %.0f s after %d calls", f.SettleSeconds, f.Calls), fmt.Sprintf("%d, at the start %d", f.Files, f.FilesAt)},
		{"size of this program", fmt.Sprintf("%.1f MB", float64(f.BinaryBytes)/1e6)},
	} {
		if _, err := fmt.Fprintf(t, "%s\t%s\n", row[0], row[1]); err != nil {
			return fmt.Errorf("print: %w", err)
		}
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// quantile is the q-quantile of d in milliseconds, by the nearest rank.
func quantile(d []time.Duration, q float64) float64 {
	if len(d) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(d))
	i := min(int(q*float64(len(s))), len(s)-1)
	return float64(s[i].Microseconds()) / 1000
}
