package main

import (
	"context"
	"os"
)

// configCmd is `callctl config`.
type configCmd struct {
	Check  configCheckCmd  `cmd:"" help:"Name everything that is wrong with a configuration."`
	Print  configPrintCmd  `cmd:"" help:"Print the configuration in force, secrets redacted; without a file, the example."`
	Schema configSchemaCmd `cmd:"" help:"Print the JSON Schema, for editors."`
	Packs  configPacksCmd  `cmd:"" help:"List the rule packs with their dates, or print one whole."`
}

// configCheckCmd is `callctl config check`.
type configCheckCmd struct {
	Config string `default:"callctl.yaml" env:"CALLCTL_CONFIG" help:"Configuration file." placeholder:"FILE" short:"c" type:"path"`
}

// Run reads the file as serve would, secrets and environment included.
func (c configCheckCmd) Run(_ context.Context, t *terminal) error {
	cfg, err := LoadConfig(c.Config, t.Env)
	if err != nil {
		return err
	}
	for _, name := range unusedEnv(c.Config, t.Env) {
		t.note("note: %s matches no key of this configuration", name)
	}
	t.note("%s: good: %d accounts, %d trunks, %d tokens", c.Config, len(cfg.Accounts), len(cfg.Trunks), len(cfg.Tokens))
	return nil
}

// unusedEnv lists the CALLCTL_ variables that set nothing. They are no error:
// container platforms put variables of their own making into the environment.
func unusedEnv(path string, env []string) []string {
	src, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	cfg, err := decodeConfig(path, src)
	if err != nil {
		return nil
	}
	c := newChecker(path, src)
	overlayEnv(&cfg, env, c)
	return c.unused
}

// configPrintCmd is `callctl config print`.
type configPrintCmd struct {
	Config    string `env:"CALLCTL_CONFIG" help:"Configuration file; the example when left out." placeholder:"FILE" short:"c" type:"path"`
	Commented bool   `help:"Explain each key, and show those not set."`
}

// Run prints YAML whatever --output says: it is a configuration.
func (c configPrintCmd) Run(_ context.Context, t *terminal) error {
	cfg, head := exampleConfig(), exampleHead
	if c.Config != "" {
		var err error
		if cfg, err = LoadConfig(c.Config, t.Env); err != nil {
			return err
		}
		forgetReadSecrets(&cfg)
		head = ""
	}
	var docs comments
	if c.Commented {
		var err error
		if docs, err = readComments(); err != nil {
			return err
		}
	} else {
		head = ""
	}
	text, err := printConfig(&cfg, docs)
	if err != nil {
		return err
	}
	return t.write([]byte(head + text))
}

// forgetReadSecrets leaves of a secret the file that it came from, so that what
// is printed can be read again.
func forgetReadSecrets(cfg *Config) {
	for _, f := range secretFields(cfg) {
		if f.file.String() != "" {
			f.value.SetZero()
		}
	}
}

// configSchemaCmd is `callctl config schema`.
type configSchemaCmd struct{}

// Run prints JSON Schema.
func (configSchemaCmd) Run(_ context.Context, t *terminal) error {
	b, err := configSchema()
	if err != nil {
		return err
	}
	return t.write(b)
}
