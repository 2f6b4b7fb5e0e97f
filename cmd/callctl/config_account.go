package main

import (
	"github.com/callctl/callctl/geo"
	"github.com/callctl/callctl/media"
)

// The providers, as the configuration and the webhook paths name them.
const (
	providerMeta = "meta"
	provider8x8  = "8x8"
)

// The calling modes.
const (
	callingNone  = "none"
	callingGraph = "graph"
)

// The rule packs, as the ledger names them.
const (
	rules8x8Strict = "8x8-strict"
	rulesMeta      = "meta"
)

// AccountConfig is one WhatsApp business number at a provider.
type AccountConfig struct {
	// Name names the account in the API, in the audit and in its webhook address:
	// /webhooks/<provider>/<name>. Lower-case letters, digits and hyphens.
	Name string `yaml:"name"`
	// Provider is 8x8 or meta.
	Provider string `yaml:"provider" jsonschema:"enum=8x8,enum=meta"`
	// BusinessNumber is the WhatsApp business number, E.164 with its plus, in quotes.
	BusinessNumber geo.E164 `yaml:"business_number"`
	// Rules is the rule pack: 8x8-strict (24 hours and one call for each grant, the
	// default), meta (the provider's expiry, permanent grants honoured), meta-sandbox
	// (Meta's public test numbers) or one of the company's own (rules.packs).
	Rules string `yaml:"rules"`
	// Brand is the brand that the number belongs to; the account's name when left
	// out. Under a rule pack whose revocation.scope is brand, an opt-out reaches all
	// numbers of a brand and no others.
	Brand string `yaml:"brand,omitempty"`
	// Webhook authenticates the provider's deliveries.
	Webhook WebhookConfig `yaml:"webhook"`
	// API is how we reach the provider.
	API APIConfig `yaml:"api"`
	// Calling is how the account carries calls.
	Calling CallingConfig `yaml:"calling"`
	// Template is the message template that asks a user for call permission, when
	// a request names none of its own.
	Template TemplateConfig `yaml:"template"`
}

// WebhookConfig authenticates deliveries. Nothing unauthenticated is parsed.
type WebhookConfig struct {
	// Authorization is, for 8x8, the whole value of the static Authorization header
	// set on the webhook, at least 16 characters. Prefer authorization_file.
	Authorization Secret `yaml:"authorization,omitempty"`
	// AuthorizationFile is a file with the value of authorization.
	AuthorizationFile string `yaml:"authorization_file,omitempty"`
	// AppSecret is, for meta, the app secret that signs X-Hub-Signature-256.
	AppSecret Secret `yaml:"app_secret,omitempty"`
	// AppSecretFile is a file with the app secret.
	AppSecretFile string `yaml:"app_secret_file,omitempty"`
	// VerifyToken is, for meta, the word of the hub.challenge handshake, as typed
	// into the app's webhook settings; at least 16 characters.
	VerifyToken Secret `yaml:"verify_token,omitempty"`
	// VerifyTokenFile is a file with the verify token.
	VerifyTokenFile string `yaml:"verify_token_file,omitempty"`
}

// APIConfig is how we reach the provider.
type APIConfig struct {
	// BaseURL is the provider's address: https://chatapps.8x8.com or
	// https://graph.facebook.com when left out.
	BaseURL string `yaml:"base_url"`
	// Key is, for 8x8, the API key. Prefer key_file.
	Key Secret `yaml:"key,omitempty"`
	// KeyFile is a file with the API key.
	KeyFile string `yaml:"key_file,omitempty"`
	// Subaccount is, for 8x8, the subaccount that owns the channel.
	Subaccount string `yaml:"subaccount,omitempty"`
	// Channel is, for 8x8, the id of the WhatsApp channel; webhooks that name
	// another one are refused.
	Channel string `yaml:"channel,omitempty"`
	// Token is, for meta, the access token of a system user. Prefer token_file.
	Token Secret `yaml:"token,omitempty"`
	// TokenFile is a file with the access token.
	TokenFile string `yaml:"token_file,omitempty"`
	// PhoneNumberID is, for meta, the id of the business number; webhooks that name
	// another one are refused.
	PhoneNumberID string `yaml:"phone_number_id,omitempty"`
	// Version is, for meta, the Graph API version.
	Version string `yaml:"version,omitempty"`
	// BusinessAccountID is the id of the WhatsApp Business Account (WABA). With it,
	// account webhooks that name another one are refused.
	BusinessAccountID string `yaml:"business_account_id,omitempty"`
}

// CallingConfig is how an account carries calls.
type CallingConfig struct {
	// Mode is graph (calls signalled by Meta's Graph API; the default of meta) or
	// none (permissions and messages only; the default and only mode of 8x8, whose
	// calls need a SIP leg that this version does not have).
	Mode string `yaml:"mode" jsonschema:"enum=none,enum=graph"`
	// Codecs are offered to WhatsApp, in order of preference: opus, pcmu, pcma.
	// Audio is relayed untouched when the PBX takes the same codec.
	Codecs []media.Codec `yaml:"codecs" jsonschema:"enum=opus,enum=pcmu,enum=pcma"`
	// Agent is where calls from users go: an extension or a SIP URI on the trunk.
	// Required for graph.
	Agent string `yaml:"agent,omitempty"`
	// Record writes what both sides say to two files in recordings/ of data_dir, for
	// every call of the account from the moment when both can speak. The company must
	// announce it to both sides and may need their consent: leave it off unless the
	// law allows it.
	Record bool `yaml:"record"`
}

// TemplateConfig is a message template approved by the provider.
type TemplateConfig struct {
	// Name is the template's name. Without it, requests must name a template.
	Name string `yaml:"name,omitempty"`
	// Language is the template's language code.
	Language string `yaml:"language,omitempty"`
	// Params fill the template's body parameters, in order.
	Params []string `yaml:"params,omitempty"`
}

// setDefaults fills what follows from the provider.
func (a *AccountConfig) setDefaults() {
	byDefault(&a.Rules, rules8x8Strict)
	switch a.Provider {
	case provider8x8:
		byDefault(&a.API.BaseURL, "https://chatapps.8x8.com")
		byDefault(&a.Calling.Mode, callingNone)
	case providerMeta:
		byDefault(&a.API.BaseURL, "https://graph.facebook.com")
		byDefault(&a.API.Version, "v26.0")
		byDefault(&a.Calling.Mode, callingGraph)
	}
	if len(a.Calling.Codecs) == 0 {
		a.Calling.Codecs = defaultCodecs()
	}
	if a.Template.Name != "" {
		byDefault(&a.Template.Language, "en")
	}
}

func defaultCodecs() []media.Codec { return []media.Codec{media.Opus, media.PCMU, media.PCMA} }

func byDefault(s *string, value string) {
	if *s == "" {
		*s = value
	}
}
