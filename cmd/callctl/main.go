// Command callctl is the daemon and its command line.
//
// The daemon decides whether a business may call a WhatsApp user, places and
// receives the calls, joins them to the company's PBX, and proves later what it
// did and why. This package holds flags, configuration, wiring and lifecycle,
// and no business rule.
package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
	"github.com/mattn/go-isatty"
)

// cli is the command line: each field a command.
type cli struct {
	Output string      `default:"auto" enum:"auto,table,json,jsonl,csv" help:"Output as ${enum}; auto is a table on a terminal and JSON elsewhere." placeholder:"FORMAT" short:"o"`
	Daemon daemonFlags `embed:""`

	Demo  demoCmd  `cmd:"" help:"The whole product on loopback, told as a story."`
	Serve serveCmd `cmd:"" help:"The daemon."`
	Bench benchCmd `cmd:"" help:"The figures that the manual quotes, measured here."`

	Check       checkCmd       `cmd:"" help:"May this business call this user? The decision and every rule; writes nothing."`
	Permissions permissionsCmd `cmd:"" help:"What users have permitted, and asking them."`
	Approvals   approvalsCmd   `cmd:"" help:"Changes that wait for a second person."`
	DNC         dncCmd         `cmd:"" help:"The do-not-call list." name:"dnc"`
	Numbers     numbersCmd     `cmd:"" help:"Our numbers: restrictions, templates, drift from the rule pack."`
	Deliveries  deliveriesCmd  `cmd:"" help:"Webhook deliveries of the providers, and those that were not taken in whole."`
	Callbacks   callbacksCmd   `cmd:"" help:"Promised calls."`
	Calls       callsCmd       `cmd:"" help:"Live and past calls."`
	Audit       auditCmd       `cmd:"" help:"The tamper-evident log."`
	Export      exportCmd      `cmd:"" help:"Make an evidence pack about one user and download it."`
	Verify      verifyCmd      `cmd:"" help:"Verify an evidence pack, without network or database."`
	Config      configCmd      `cmd:"" help:"The configuration."`
	Version     versionCmd     `cmd:"" help:"What this binary is made of."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	code := run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the whole program, for main and for tests; it returns the exit code.
func run(ctx context.Context, args, env []string, out, errOut io.Writer) int {
	t := &terminal{Out: out, Err: errOut, Env: env}
	var c cli
	code := exitDone
	ended := false
	parser, err := newParser(&c, t, func(n int) { code, ended = n, true })
	if err != nil {
		t.note("callctl: %s", err)
		return exitUsage
	}
	parsed, err := parser.Parse(args)
	if ended {
		return code // help was asked for
	}
	if err != nil {
		t.note("callctl: %s", err)
		var wrong *kong.ParseError
		if errors.As(err, &wrong) && wrong.Context != nil {
			t.note("  hint: %s --help", commandOf(wrong.Context))
		}
		return exitUsage
	}
	t.Format = c.Output
	if t.Format == formatAuto {
		t.Format = formatFor(out)
	}
	parsed.BindTo(ctx, (*context.Context)(nil))
	err = parsed.Run(t, &c.Daemon)
	report(t, err)
	return exitCode(err)
}

// newParser describes the command line; docs/cli.md is written from it.
func newParser(c *cli, t *terminal, exit func(int)) (*kong.Kong, error) {
	return kong.New(c, //nolint:wrapcheck // the caller adds the program's name
		kong.Name("callctl"),
		kong.Description("Consent, calls and evidence for WhatsApp business calling."),
		kong.Writers(t.Out, t.Err),
		kong.Exit(exit),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
		kong.ExplicitGroups([]kong.Group{{Key: "daemon", Title: "The daemon to talk to:"}}),
	)
}

// commandOf is the command line up to the last command that was understood.
func commandOf(c *kong.Context) string {
	words := []string{"callctl"}
	for _, step := range c.Path {
		if step.Command != nil {
			words = append(words, step.Command.Name)
		}
	}
	return strings.Join(words, " ")
}

// formatFor is a table for a person, JSON for a program.
func formatFor(out io.Writer) string {
	if f, ok := out.(*os.File); ok && isatty.IsTerminal(f.Fd()) {
		return formatTable
	}
	return formatJSON
}
