package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/media"
	"github.com/callctl/callctl/permissions"
)

const goodConfig = `
tokens: [ { name: ops, token_file: ops.token, scopes: [admin] } ]
accounts:
  - name: acme
    provider: meta
    business_number: "+6531234567"
    webhook: { app_secret_file: app.secret, verify_token: hello-hello-hello }
    api: { token_file: meta.token, phone_number_id: "106540352242922" }
    calling: { agent: "1001" }
trunks: [ { name: main, uri: "sip:127.0.0.1:5070" } ]
media: { address: 203.0.113.7 }
`

// write puts a configuration and the secrets that it names into a folder.
func write(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	for name, secret := range map[string]string{
		"ops.token":  "0123456789abcdef0123\n",
		"app.secret": "fedcba98765432100123\r\n",
		"meta.token": "EAAtoken",
		"empty":      "\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(secret), 0o600))
	}
	path := filepath.Join(dir, "callctl.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestLoadConfig(t *testing.T) {
	path := write(t, goodConfig)
	cfg, err := LoadConfig(path, nil)
	require.NoError(t, err)
	require.Equal(t, filepath.Join(filepath.Dir(path), "data"), cfg.DataDir, "relative to the file")
	require.Equal(t, Secret("0123456789abcdef0123"), cfg.Tokens[0].Token, "without the newline")
	a := cfg.Accounts[0]
	require.Equal(t, Secret("fedcba98765432100123"), a.Webhook.AppSecret)
	require.Equal(t, Secret("hello-hello-hello"), a.Webhook.VerifyToken)
	require.Equal(t, "https://graph.facebook.com", a.API.BaseURL)
	require.Equal(t, "v26.0", a.API.Version)
	require.Equal(t, rules8x8Strict, a.Rules)
	require.Equal(t, callingGraph, a.Calling.Mode)
	require.False(t, a.Calling.Record, "nobody is recorded unasked")
	require.Equal(t, []media.Codec{media.Opus, media.PCMU, media.PCMA}, a.Calling.Codecs)
	require.Equal(t, 45*time.Second, cfg.Timeouts.AgentRing)
	ports, err := cfg.Media.Ports()
	require.NoError(t, err)
	require.Equal(t, "203.0.113.7", ports.Public.String())
	require.Equal(t, uint16(20000), ports.First)
	require.Equal(t, uint16(29999), ports.Last)
}

func TestLoadConfigEnvironmentWins(t *testing.T) {
	cfg, err := LoadConfig(write(t, goodConfig), []string{
		"CALLCTL_HTTP_LISTEN=0.0.0.0:8443",
		"CALLCTL_TIMEOUTS_USER_RING=20s",
		"CALLCTL_SIP_LISTEN=udp://127.0.0.1:5060, tcp://127.0.0.1:5060",
		"CALLCTL_ACCOUNTS_ACME_API_TOKEN=from-the-environment",
		"CALLCTL_ACCOUNTS_ACME_CALLING_CODECS=pcma",
		"CALLCTL_ACCOUNTS_ACME_CALLING_RECORD=true",
		"CALLCTL_ACCOUNTS_ACME_WEBHOOK_VERIFY_TOKEN_FILE=ops.token",
		"HOME=/root",
	})
	require.NoError(t, err)
	require.Equal(t, "0.0.0.0:8443", cfg.HTTP.Listen)
	require.Equal(t, 20*time.Second, cfg.Timeouts.UserRing)
	require.Equal(t, []string{"udp://127.0.0.1:5060", "tcp://127.0.0.1:5060"}, cfg.SIP.Listen)
	require.Equal(t, Secret("from-the-environment"), cfg.Accounts[0].API.Token, "in the place of token_file")
	require.Equal(t, []media.Codec{media.PCMA}, cfg.Accounts[0].Calling.Codecs)
	require.True(t, cfg.Accounts[0].Calling.Record)
	require.Equal(t, Secret("0123456789abcdef0123"), cfg.Accounts[0].Webhook.VerifyToken, "in the place of verify_token")
}

// TestEnvironmentReachesEveryKey sets each key by its variable and finds every
// one taken.
func TestEnvironmentReachesEveryKey(t *testing.T) {
	cfg := exampleConfig()
	var env []string
	eachStruct(reflect.ValueOf(&cfg).Elem(), place{env: envPrefix}, func(v reflect.Value, at place) {
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if f.Type.Kind() == reflect.Struct || isStructs(f.Type) || isElementName(at, f) {
				continue
			}
			value := "x"
			if f.Type == reflect.TypeFor[time.Duration]() {
				value = "3s"
			} else if f.Type.Kind() == reflect.Bool {
				value = "true"
			}
			env = append(env, at.env+envWord(yamlKey(f))+"="+value)
		}
	})
	require.Greater(t, len(env), 60)
	for _, one := range env {
		cfg := exampleConfig()
		c := newChecker("f", nil)
		overlayEnv(&cfg, []string{one}, c)
		name, _, _ := strings.Cut(one, "=")
		require.Equal(t, []string{name}, c.used, one)
		require.Empty(t, c.unused, one)
		require.Empty(t, c.findings, one)
		require.NotEqual(t, exampleConfig(), cfg, one)
	}
}

func TestUnusedEnvironmentIsNamed(t *testing.T) {
	path := write(t, goodConfig)
	require.Equal(t, []string{"CALLCTL_HTTP_LISTENS", "CALLCTL_PORT"},
		unusedEnv(path, []string{"CALLCTL_HTTP_LISTENS=x", "CALLCTL_PORT=tcp://10.0.0.1", "CALLCTL_URL=u", "CALLCTL_LOG_LEVEL=debug"}))
}

func TestLoadConfigFaults(t *testing.T) {
	swap := func(old, replacement string) string {
		require.Contains(t, goodConfig, old)
		return strings.Replace(goodConfig, old, replacement, 1)
	}
	for name, c := range map[string]struct {
		text string
		want []string // substrings of the message
	}{
		"unknown key":        {swap("provider: meta", "provider: meta\n    providr: x"), []string{":6:", `unknown field "providr"`}},
		"repeated key":       {goodConfig + "media: {}\n", []string{":12:", "already defined"}},
		"not YAML":           {"tokens: [", []string{":1:"}},
		"wrong type":         {swap("media: { address: 203.0.113.7 }", "media: [1]"), []string{":11:"}},
		"second document":    {goodConfig + "---\ndata_dir: x\n", []string{"more than one YAML document"}},
		"empty file":         {"", []string{"tokens: ", "accounts: "}},
		"number":             {swap(`"+6531234567"`, `"12"`), []string{":6:", "accounts[0].business_number", "E.164"}},
		"provider":           {swap("provider: meta", "provider: twilio"), []string{":5:", `"twilio" is not known`, "8x8, meta"}},
		"rules":              {swap("provider: meta", "provider: meta\n    rules: none"), []string{"accounts[0].rules"}},
		"codec":              {swap(`agent: "1001"`, `agent: "1001", codecs: [g729]`), []string{`calling.codecs: "g729"`}},
		"codec twice":        {swap(`agent: "1001"`, `agent: "1001", codecs: [pcmu, pcmu]`), []string{"listed twice"}},
		"mode":               {swap(`agent: "1001"`, `agent: "1001", mode: sip`), []string{`calling.mode: "sip" is not known`}},
		"nothing to record":  {swap(`agent: "1001"`, `agent: "1001", mode: none, record: true`), []string{"calling.record: has no calls to record"}},
		"record":             {swap(`agent: "1001"`, `agent: "1001", record: perhaps`), []string{":9:"}},
		"no agent":           {swap(`calling: { agent: "1001" }`, "calling: {}"), []string{"calling.agent"}},
		"base url":           {swap("phone_number_id", "base_url: graph.facebook.com, phone_number_id"), []string{"api.base_url"}},
		"clear text":         {swap("phone_number_id", "base_url: \"http://example.com\", phone_number_id"), []string{"in the clear"}},
		"other provider":     {swap("verify_token: hello-hello-hello", "verify_token: hello-hello-hello, authorization: abcdefghijklmnopqrst"), []string{"belongs to provider 8x8"}},
		"graph version":      {swap("phone_number_id", "version: 26, phone_number_id"), []string{"api.version: is not a Graph API version"}},
		"agent elsewhere":    {swap(`"1001"`, `"10 01"`), []string{"calling.agent: is missing or cannot be dialled"}},
		"short verify token": {swap("hello-hello-hello", "hello"), []string{"webhook.verify_token: is shorter than 16"}},
		"families":           {swap("203.0.113.7", `"2001:db8::1"`), []string{"same family"}},
		"no phone number id": {swap(`, phone_number_id: "106540352242922"`, ""), []string{"phone_number_id: is missing or not digits"}},
		"secret file gone":   {swap("ops.token", "gone.token"), []string{":2:", "tokens[0].token_file", "gone.token cannot be read: no such file"}},
		"secret file empty":  {swap("ops.token", "empty"), []string{"empty is empty"}},
		"secret twice":       {swap("token_file: meta.token", "token_file: meta.token, token: abc"), []string{"given both here and as accounts[0].api.token_file"}},
		"short token":        {swap("token_file: ops.token", "token: short"), []string{"tokens[0].token: is shorter than 16", "openssl rand"}},
		"scope":              {swap("[admin]", "[root]"), []string{`tokens[0].scopes: "root"`}},
		"no scope":           {swap("[admin]", "[]"), []string{"allow nothing"}},
		"name":               {swap("name: acme", "name: Acme Ltd"), []string{`accounts[0].name: "Acme Ltd" is not a name`}},
		"two trunks":         {swap(`"sip:127.0.0.1:5070" }`, `"sip:127.0.0.1:5070" }, { name: b, uri: "sip:h" }`), []string{"exactly one, not 2"}},
		"no trunk":           {swap(`trunks: [ { name: main, uri: "sip:127.0.0.1:5070" } ]`, ""), []string{"exactly one, not 0"}},
		"trunk uri":          {swap("sip:127.0.0.1:5070", "sips:pbx"), []string{"must begin with sip:"}},
		"trunk transport":    {swap("sip:127.0.0.1:5070", "sip:pbx;transport=ws"), []string{"transport=udp or transport=tcp"}},
		"trunk user":         {swap("sip:127.0.0.1:5070", "sip:me@pbx"), []string{"without a user"}},
		"trunk port":         {swap("sip:127.0.0.1:5070", "sip:pbx:99999"), []string{"host:port"}},
		"password alone":     {swap(`"sip:127.0.0.1:5070"`, `"sip:pbx", password: abc`), []string{"trunks[0].username"}},
		"sip tls":            {goodConfig + "sip: { listen: [ \"tls://0.0.0.0:5061\" ] }\n", []string{"sip.listen[0]", "TLS is not in this version"}},
		"no media address":   {swap("media: { address: 203.0.113.7 }", ""), []string{"media.address: is needed to carry calls"}},
		"bad media address":  {swap("203.0.113.7", "example.com"), []string{"media.address: not an IP address"}},
		"odd port":           {swap("203.0.113.7", "203.0.113.7, rtp_ports: 20001-20010"), []string{"media.rtp_ports"}},
		"ports turned round": {swap("203.0.113.7", "203.0.113.7, rtp_ports: 30000-20000"), []string{"media.rtp_ports"}},
		"same address":       {goodConfig + "http: { listen: \":80\", admin: \":80\" }\n", []string{"http.admin: is the same address"}},
		"no port":            {goodConfig + "http: { listen: localhost }\n", []string{`http.listen: "localhost" is not host:port`}},
		"long timeout":       {goodConfig + "timeouts: { user_ring: 1h }\n", []string{"timeouts.user_ring"}},
		"log level":          {goodConfig + "log: { level: loud }\n", []string{"log.level"}},
		"origin":             {goodConfig + "audit: { origin: \"a b\" }\n", []string{"audit.origin"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := LoadConfig(write(t, c.text), nil)
			var wrong *ConfigError
			require.ErrorAs(t, err, &wrong)
			require.Equal(t, exitUsage, exitCode(err))
			for _, want := range c.want {
				require.Contains(t, err.Error(), want)
			}
		})
	}
}

func TestLoadConfigNamesEverythingAtOnce(t *testing.T) {
	text := strings.NewReplacer("admin", "root", "name: acme", "name: A", "203.0.113.7", "x").Replace(goodConfig)
	_, err := LoadConfig(write(t, text), []string{"CALLCTL_TIMEOUTS_STALE=soon"})
	var wrong *ConfigError
	require.ErrorAs(t, err, &wrong)
	require.Len(t, wrong.Findings, 4)
	for _, f := range wrong.Findings {
		require.NotEmpty(t, f.Hint, f.Path)
	}
}

func TestEightX8Account(t *testing.T) {
	const account = `
tokens: [ { name: ops, token_file: ops.token, scopes: [read] } ]
accounts:
  - name: acme
    provider: 8x8
    business_number: "+6531234567"
    webhook: { authorization: "Bearer 0123456789abcdef" }
    api: { key_file: meta.token, subaccount: acme_wa, channel: 269a }
`
	cfg, err := LoadConfig(write(t, account), nil)
	require.NoError(t, err, "without calls neither trunk nor media address is needed")
	require.Equal(t, callingNone, cfg.Accounts[0].Calling.Mode)
	require.Equal(t, "https://chatapps.8x8.com", cfg.Accounts[0].API.BaseURL)
	for old, want := range map[string]string{
		"Bearer 0123456789abcdef": "webhook.authorization: is shorter than 16",
		"subaccount: acme_wa":     "api.subaccount: is missing",
		"key_file":                "api.key: is missing",
	} {
		_, err := LoadConfig(write(t, strings.Replace(account, old, map[string]string{
			"Bearer 0123456789abcdef": "Bearer 0123456789abc", "subaccount: acme_wa": `subaccount: ""`, "key_file": "version: v1, token_file",
		}[old], 1)), nil)
		require.ErrorContains(t, err, want)
	}
	_, err = LoadConfig(write(t, account+"    calling: { mode: graph, agent: \"1\" }\n"), nil)
	require.ErrorContains(t, err, `"graph" does not exist for 8x8`)
}

func TestSecretIsNeverPrinted(t *testing.T) {
	const hidden = "hunter2-hunter2-hunter2"
	cfg := exampleConfig()
	for _, f := range secretFields(&cfg) {
		f.value.SetString(hidden)
	}
	var logged strings.Builder
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("cfg", "token", cfg.Tokens[0].Token, "all", cfg)
	docs, err := readComments()
	require.NoError(t, err)
	printed, err := printConfig(&cfg, docs)
	require.NoError(t, err)
	marshalled, err := yaml.Marshal(cfg)
	require.NoError(t, err)
	for _, text := range []string{logged.String(), printed, string(marshalled), fmt.Sprintf("%v %+v %#v %s", cfg, cfg, cfg, cfg.Tokens[0].Token)} {
		require.NotContains(t, text, "hunter2")
		require.Contains(t, text, redacted)
	}
}

func TestSyntaxErrorQuotesNoSecret(t *testing.T) {
	for _, text := range []string{
		"tokens:\n  - name: ops\n    token: hunter2-in-line\n    scops: [x]\n",
		"tokens: [ { name: ops, token: \"hunter2\", scops: [] } ]\n",
		"tokens:\n  - token: |\n      hunter2\n    scops: []\n",
		"accounts:\n  - webhook: { authorization: 'Bearer hunter2', app: 1 }\n",
	} {
		_, err := LoadConfig(write(t, text), nil)
		var wrong *ConfigError
		require.ErrorAs(t, err, &wrong)
		require.NotContains(t, err.Error(), "hunter2")
		require.Positive(t, wrong.Findings[0].Line)
	}
}

// TestExampleIsGood parses the example as the daemon would, with its secrets
// given by the environment.
func TestExampleIsGood(t *testing.T) {
	src, err := os.ReadFile(filepath.Join("..", "..", "callctl.example.yaml"))
	require.NoError(t, err)
	cfg, err := parseConfig("callctl.example.yaml", src, []string{
		"CALLCTL_TOKENS_OPS_TOKEN=0123456789abcdef",
		"CALLCTL_ACCOUNTS_ACME_8X8_WEBHOOK_AUTHORIZATION=0123456789abcdef",
		"CALLCTL_ACCOUNTS_ACME_8X8_API_KEY=k",
		"CALLCTL_ACCOUNTS_ACME_META_WEBHOOK_APP_SECRET=0123456789abcdef",
		"CALLCTL_ACCOUNTS_ACME_META_WEBHOOK_VERIFY_TOKEN=0123456789abcdef",
		"CALLCTL_ACCOUNTS_ACME_META_API_TOKEN=t",
		"CALLCTL_TRUNKS_MAIN_PASSWORD=p",
	})
	require.NoError(t, err)
	require.Len(t, cfg.Accounts, 2)
	require.True(t, cfg.calling())
}

// TestExampleNamesEveryKey finds every key of the code in the example, set or as
// a comment.
func TestExampleNamesEveryKey(t *testing.T) {
	src, err := os.ReadFile(filepath.Join("..", "..", "callctl.example.yaml"))
	require.NoError(t, err)
	var keys func(v reflect.Type)
	keys = func(v reflect.Type) {
		for f := range v.Fields() {
			require.Regexp(t, `(?m)^[ -]*(# )?`+yamlKey(f)+`:`, string(src))
			switch {
			case f.Type.Kind() == reflect.Struct:
				keys(f.Type)
			case isStructs(f.Type):
				keys(f.Type.Elem())
			}
		}
	}
	keys(reflect.TypeFor[Config]())
}

// TestPrintedConfigReadsBack prints a configuration and reads the same again.
func TestPrintedConfigReadsBack(t *testing.T) {
	path := write(t, goodConfig)
	cfg, err := LoadConfig(path, nil)
	require.NoError(t, err)
	forgetReadSecrets(&cfg)
	cfg.Accounts[0].Webhook.VerifyToken = ""
	cfg.Accounts[0].Webhook.VerifyTokenFile = "app.secret"
	docs, err := readComments()
	require.NoError(t, err)
	for _, d := range []comments{nil, docs} {
		text, err := printConfig(&cfg, d)
		require.NoError(t, err)
		got, err := decodeConfig(path, []byte(text))
		require.NoError(t, err, text)
		require.Equal(t, cfg, got)
	}
}

// TestRulePacksAreTheLedgers keeps the names that the manual tells those that the
// ledger ships.
func TestRulePacksAreTheLedgers(t *testing.T) {
	list, err := permissions.PackVersions()
	require.NoError(t, err)
	names := map[string]bool{}
	for _, one := range list {
		name, _, _ := strings.Cut(one, "@")
		names[name] = true
	}
	require.Equal(t, map[string]bool{rules8x8Strict: true, rulesMeta: true, "meta-sandbox": true}, names)
}

func FuzzConfig(f *testing.F) {
	f.Add([]byte(goodConfig), "CALLCTL_HTTP_LISTEN=:1")
	src, err := os.ReadFile(filepath.Join("..", "..", "callctl.example.yaml"))
	require.NoError(f, err)
	f.Add(src, "CALLCTL_ACCOUNTS_ACME_META_API_TOKEN=x")
	f.Fuzz(func(t *testing.T, src []byte, env string) {
		cfg, err := parseConfig(filepath.Join(t.TempDir(), "c.yaml"), src, []string{env})
		var wrong *ConfigError
		if err != nil && !errors.As(err, &wrong) {
			t.Fatalf("not a ConfigError: %v", err)
		}
		if err == nil && (len(cfg.Tokens) == 0 || len(cfg.Accounts) == 0) {
			t.Fatal("a useless configuration was taken")
		}
	})
}
