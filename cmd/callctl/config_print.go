package main

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/callctl/callctl/media"
)

// exampleConfig is callctl.example.yaml: one account of each provider.
func exampleConfig() Config {
	cfg := defaultConfig()
	cfg.Tokens = []TokenConfig{{Name: "ops", TokenFile: "ops.token", Scopes: []string{"admin"}}}
	cfg.Accounts = []AccountConfig{{
		Name: "acme-8x8", Provider: provider8x8, BusinessNumber: "+6531234567",
		Webhook:  WebhookConfig{AuthorizationFile: "8x8.auth"},
		API:      APIConfig{KeyFile: "8x8.key", Subaccount: "acme_wa", Channel: "269a1f6e-0000-4000-8000-000000000000"},
		Template: TemplateConfig{Name: "may_we_call", Params: []string{"Acme"}},
	}, {
		Name: "acme-meta", Provider: providerMeta, BusinessNumber: "+6531234568", Rules: rulesMeta,
		Webhook:  WebhookConfig{AppSecretFile: "meta.secret", VerifyTokenFile: "meta.verify"},
		API:      APIConfig{TokenFile: "meta.token", PhoneNumberID: "106540352242922"},
		Calling:  CallingConfig{Agent: "1001"},
		Template: TemplateConfig{Name: "may_we_call"},
	}}
	for i := range cfg.Accounts {
		cfg.Accounts[i].setDefaults()
	}
	cfg.Trunks = []TrunkConfig{{
		Name: "main", URI: "sip:pbx.example.com:5060;transport=tcp", Username: "callctl", PasswordFile: "pbx.pass",
		Codecs: []media.Codec{media.PCMU, media.PCMA, media.Opus},
	}}
	cfg.Rules.Locations = []LocationConfig{{
		Name: "example", Number: "+380626400000", Region: "UA", Source: "the customer's address in our contract",
	}}
	cfg.Media.Address = "203.0.113.7"
	cfg.Audit.Origin = "callctl/acme"
	return cfg
}

const exampleHead = `# callctl: the configuration of "callctl serve --config callctl.yaml".
#
# Every key may also be given by the environment, which wins: CALLCTL_ and the
# path in capitals, such as CALLCTL_HTTP_LISTEN; an element of a list by its name,
# such as CALLCTL_ACCOUNTS_ACME_META_API_TOKEN. Every secret may stand in a file
# of its own (the *_file keys). Relative paths start at this file's folder.
#
# "callctl config check --config callctl.yaml" names what is wrong with it.

`

// configPrinter writes a configuration as YAML, with its manual when commented.
type configPrinter struct {
	docs comments // nil for bare YAML
	seen map[string]bool
	out  strings.Builder
}

// printConfig writes cfg as YAML. Secrets are redacted. With docs, each key is
// explained where it first appears, and keys that are not set are shown as
// comments.
func printConfig(cfg *Config, docs comments) (string, error) {
	p := configPrinter{docs: docs, seen: map[string]bool{}}
	if err := p.structure(reflect.ValueOf(cfg).Elem(), ""); err != nil {
		return "", err
	}
	return p.out.String(), nil
}

func (p *configPrinter) structure(v reflect.Value, indent string) error {
	for i := range v.NumField() {
		f, one := v.Type().Field(i), v.Field(i)
		if p.docs == nil && one.IsZero() {
			continue
		}
		told := p.explain(v.Type(), f, indent, i)
		var err error
		switch key := yamlKey(f); {
		case one.Kind() == reflect.Struct:
			fmt.Fprintf(&p.out, "%s%s:\n", indent, key)
			err = p.structure(one, indent+"  ")
		case isStructs(f.Type) && one.Len() == 0 && strings.HasSuffix(f.Tag.Get("yaml"), ",omitempty"):
			fmt.Fprintf(&p.out, "%s# %s:\n", indent, key)
		case isStructs(f.Type) && one.Len() == 0:
			fmt.Fprintf(&p.out, "%s%s: []\n", indent, key)
		case isStructs(f.Type):
			fmt.Fprintf(&p.out, "%s%s:\n", indent, key)
			err = p.items(one, indent+"  ")
		case one.IsZero() && !told:
		default:
			err = p.scalar(key, one, indent)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// explain writes the comment of a key, once; false when it already has.
func (p *configPrinter) explain(t reflect.Type, f reflect.StructField, indent string, i int) bool {
	name := t.Name() + "." + f.Name
	if p.docs == nil || p.seen[name] {
		return false
	}
	p.seen[name] = true
	if indent == "" && i > 0 {
		p.out.WriteByte('\n')
	}
	for _, line := range wrap(p.docs.field(t, f), 78-len(indent)) {
		fmt.Fprintf(&p.out, "%s# %s\n", indent, line)
	}
	return true
}

// items writes a list; the hyphen goes before the first key of each.
func (p *configPrinter) items(list reflect.Value, indent string) error {
	for n := range list.Len() {
		below := configPrinter{docs: p.docs, seen: p.seen}
		if err := below.structure(list.Index(n), indent+"  "); err != nil {
			return err
		}
		first := true
		for line := range strings.Lines(below.out.String()) {
			text := strings.TrimPrefix(line, indent+"  ")
			switch {
			case !first:
				p.out.WriteString(line)
			case strings.HasPrefix(text, "#"):
				p.out.WriteString(indent + text)
			default:
				p.out.WriteString(indent + "- " + text)
				first = false
			}
		}
	}
	return nil
}

func (p *configPrinter) scalar(key string, v reflect.Value, indent string) error {
	if v.IsZero() {
		// Shown, so that the reader knows the key, and not set.
		fmt.Fprintf(&p.out, "%s# %s:\n", indent, key)
		return nil
	}
	text, err := scalarText(v)
	if err != nil {
		return err
	}
	fmt.Fprintf(&p.out, "%s%s: %s\n", indent, key, text)
	return nil
}

func scalarText(v reflect.Value) (string, error) {
	if d, ok := reflect.TypeAssert[time.Duration](v); ok {
		return d.String(), nil
	}
	b, err := yaml.MarshalWithOptions(v.Interface(), yaml.Flow(true))
	if err != nil {
		return "", fmt.Errorf("encode value: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// wrap breaks text into lines of at most width characters at spaces.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
