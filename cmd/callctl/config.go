package main

import (
	"time"
)

// Config is the whole configuration of a daemon.
//
// The doc comments of its fields are the manual: callctl.example.yaml,
// docs/configuration.md, `config print --commented` and `config schema` are made
// from them. Relative paths start at the folder of the configuration file.
type Config struct {
	// DataDir is the folder of the database, the audit log's keys and anchor, the
	// evidence packs and the recordings. It is created with mode 0700 when missing.
	DataDir string `yaml:"data_dir"`
	// HTTP says where the daemon answers HTTP.
	HTTP HTTPConfig `yaml:"http"`
	// Tokens are the bearer tokens that let clients use the API. At least one.
	Tokens []TokenConfig `yaml:"tokens"`
	// Accounts are the WhatsApp business numbers. At least one.
	Accounts []AccountConfig `yaml:"accounts"`
	// Rules are the company's own rule packs, opt-out words and locations.
	Rules RulesConfig `yaml:"rules,omitempty"`
	// Trunks are the PBXs that calls are joined to. Exactly one when an account
	// carries calls; this version uses no second one.
	Trunks []TrunkConfig `yaml:"trunks"`
	// SIP is our side of the trunk.
	SIP SIPConfig `yaml:"sip"`
	// Media is where audio flows.
	Media MediaConfig `yaml:"media"`
	// Timeouts bound the steps of a call.
	Timeouts TimeoutsConfig `yaml:"timeouts"`
	// Webhooks is about outgoing webhooks.
	Webhooks WebhooksConfig `yaml:"webhooks"`
	// Log is what the daemon writes to its standard output.
	Log LogConfig `yaml:"log"`
	// Audit is about the tamper-evident log.
	Audit AuditConfig `yaml:"audit"`
}

// HTTPConfig says where the daemon answers HTTP.
type HTTPConfig struct {
	// Listen is the host:port of the API and of the providers' webhooks. Put a TLS
	// terminating proxy in front of it: providers deliver over HTTPS only.
	Listen string `yaml:"listen"`
	// Admin is the host:port of /livez, /readyz, /metrics and /version. It asks for
	// no token: keep it on a private address.
	Admin string `yaml:"admin"`
}

// TokenConfig is one client of the API.
type TokenConfig struct {
	// Name is the client's name; the audit names it as the actor.
	Name string `yaml:"name"`
	// Token is the bearer token itself, at least 16 characters. Prefer token_file.
	Token Secret `yaml:"token,omitempty"`
	// TokenFile is a file with the token; a newline at its end is ignored.
	TokenFile string `yaml:"token_file,omitempty"`
	// Scopes are what the token may do: read, write, audit, or admin for all.
	Scopes []string `yaml:"scopes" jsonschema:"enum=admin,enum=read,enum=write,enum=audit"`
}

// TimeoutsConfig bounds the steps of a call.
type TimeoutsConfig struct {
	// AgentRing is how long the PBX may ring before the call is given up.
	AgentRing time.Duration `yaml:"agent_ring"`
	// UserRing is how long the WhatsApp user may ring before the call is given up.
	UserRing time.Duration `yaml:"user_ring"`
	// Stale is the age from which a delayed webhook of a user's call no longer
	// rings the PBX: the user has hung up long ago.
	Stale time.Duration `yaml:"stale"`
	// MediaUp is how long ICE and DTLS may take.
	MediaUp time.Duration `yaml:"media_up"`
}

// WebhooksConfig is about outgoing webhooks.
type WebhooksConfig struct {
	// Networks is where subscriptions may lead: public (https at port 443 of public
	// addresses, the default) or private (also this machine and private networks, at
	// any port).
	Networks string `yaml:"networks" jsonschema:"enum=public,enum=private"`
}

// The networks of outgoing webhooks.
const (
	networksPublic  = "public"
	networksPrivate = "private"
)

// LogConfig is what the daemon writes to its standard output.
type LogConfig struct {
	// Level is the least level written: debug, info, warn or error.
	Level string `yaml:"level" jsonschema:"enum=debug,enum=info,enum=warn,enum=error"`
	// Format is text (key=value) or json. Neither holds phone numbers or secrets.
	Format string `yaml:"format" jsonschema:"enum=text,enum=json"`
}

// AuditConfig is about the tamper-evident log.
type AuditConfig struct {
	// Origin is the first line of every checkpoint and the name of the signing key.
	// It names this log to those who verify it: choose it once, such as
	// callctl/acme, and never change it.
	Origin string `yaml:"origin"`
}

// defaultConfig is what holds where the file is silent.
func defaultConfig() Config {
	return Config{
		DataDir: "./data",
		HTTP:    HTTPConfig{Listen: "127.0.0.1:8080", Admin: "127.0.0.1:9090"},
		SIP:     SIPConfig{Listen: []string{"udp://0.0.0.0:5060", "tcp://0.0.0.0:5060"}},
		Media:   MediaConfig{Bind: "0.0.0.0", RTPPorts: "20000-29999"},
		Timeouts: TimeoutsConfig{
			AgentRing: 45 * time.Second,
			UserRing:  60 * time.Second,
			Stale:     60 * time.Second,
			MediaUp:   15 * time.Second,
		},
		Webhooks: WebhooksConfig{Networks: networksPublic},
		Log:      LogConfig{Level: "info", Format: "text"},
		Audit:    AuditConfig{Origin: "callctl"},
	}
}

// calling says whether any account carries calls.
func (c *Config) calling() bool {
	for i := range c.Accounts {
		if c.Accounts[i].Calling.Mode == callingGraph {
			return true
		}
	}
	return false
}
