package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

const commandsHead = `# Command line

This page is made from the code (` + "`make docs`" + `); a test fails when it is not.

Output is a table on a terminal and JSON elsewhere; ` + "`--output table|json|jsonl|csv`" + ` chooses. CSV guards
against spreadsheet formulas: a cell that would be one begins with an apostrophe.

| exit code | means |
| --- | --- |
| 0 | done |
| 1 | refused, or failed; the reason is on standard error |
| 2 | the command line, the request or the configuration is wrong |
| 75 | try again: the daemon is not there, busy, or a limit resets later |

A refusal of the daemon is printed as ` + "`refused: <reason>: <detail>`" + ` (` + "`failed: …`" + ` when the fault is not
the request's); the reason is the same word as in the API, in SIP and in the audit.

## Flags of every command

`

// commandsManual is docs/cli.md, from the command line's own description.
func commandsManual() (string, error) {
	var c cli
	parser, err := newParser(&c, &terminal{Out: io.Discard, Err: io.Discard}, func(int) {})
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(commandsHead)
	flagsManual(&b, parser.Model.Flags)
	for _, node := range parser.Model.Children {
		commandManual(&b, node, 2)
	}
	return b.String(), nil
}

func commandManual(b *strings.Builder, node *kong.Node, level int) {
	if node.Hidden {
		return
	}
	fmt.Fprintf(b, "\n%s %s\n\n%s\n", strings.Repeat("#", level), strings.TrimPrefix(node.FullPath(), "callctl "), markdown(node.Help))
	if len(node.Positional) > 0 || (len(node.Flags) > 0 && len(node.Children) == 0) {
		b.WriteByte('\n')
	}
	for _, arg := range node.Positional {
		fmt.Fprintf(b, "- `<%s>`: %s\n", arg.Name, markdown(arg.Help))
	}
	flagsManual(b, node.Flags)
	for _, child := range node.Children {
		commandManual(b, child, level+1)
	}
}

func flagsManual(b *strings.Builder, flags []*kong.Flag) {
	for _, f := range flags {
		if f.Hidden {
			continue
		}
		name := "--" + f.Name
		if f.Short != 0 {
			name = "-" + string(f.Short) + ", " + name
		}
		if !f.IsBool() {
			name += "=" + strings.ToUpper(f.Name)
		}
		fmt.Fprintf(b, "- `%s`", name)
		if f.HasDefault && f.Default != "" {
			fmt.Fprintf(b, " (default `%s`)", f.Default)
		}
		if f.Required {
			b.WriteString(" (required)")
		}
		for _, env := range f.Envs {
			fmt.Fprintf(b, " (`%s`)", env)
		}
		fmt.Fprintf(b, ": %s\n", markdown(f.Help))
	}
}
