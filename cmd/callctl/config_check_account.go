package main

import (
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/callctl/callctl/geo"
	"github.com/callctl/callctl/media"
)

var (
	digitsForm   = regexp.MustCompile(`^[0-9]+$`)
	graphVersion = regexp.MustCompile(`^v[0-9]+\.[0-9]+$`)
	agentForm    = regexp.MustCompile(`^(sip:[^@\s]+@[^@\s]+|[A-Za-z0-9+*_.~!-]{1,64})$`)
)

func (c *checker) accounts(cfg *Config) {
	if len(cfg.Accounts) == 0 {
		c.addf("accounts", "callctl.example.yaml shows one of each provider", "there is none")
	}
	names, numbers := map[string]bool{}, map[geo.E164]bool{}
	for i := range cfg.Accounts {
		a, at := &cfg.Accounts[i], "accounts["+strconv.Itoa(i)+"]"
		c.name(at+".name", a.Name, names)
		number, err := geo.Parse(string(a.BusinessNumber))
		switch {
		case err != nil:
			c.addf(at+".business_number", "E.164 in quotes, such as \"+6531234567\"", "is not a phone number")
		case numbers[number]:
			c.addf(at+".business_number", "permission is given to one number: give it one account", "is used twice")
		default:
			a.BusinessNumber = number
			numbers[number] = true
		}
		if a.Brand != "" && !nameForm.MatchString(a.Brand) {
			c.addf(at+".brand", "lower-case letters, digits and hyphens", "%q is not a name", a.Brand)
		}
		c.baseURL(at+".api.base_url", a)
		switch a.Provider {
		case provider8x8:
			c.eightx8(at, a)
		case providerMeta:
			c.meta(at, a)
		default:
			c.oneOf(at+".provider", a.Provider, provider8x8, providerMeta)
		}
		c.codecs(at+".calling.codecs", a.Calling.Codecs)
		if a.Calling.Record && a.Calling.Mode == callingNone {
			c.addf(at+".calling.record", "remove it, or let the account carry calls", "has no calls to record")
		}
	}
}

func (c *checker) eightx8(at string, a *AccountConfig) {
	c.authorization(at+".webhook.authorization", a.Webhook.Authorization)
	c.secret(at+".api.key", a.API.Key, 1)
	c.required(at+".api.subaccount", a.API.Subaccount)
	c.required(at+".api.channel", a.API.Channel)
	c.foreign(at, "meta", map[string]string{
		"webhook.app_secret":   string(a.Webhook.AppSecret),
		"webhook.verify_token": string(a.Webhook.VerifyToken),
		"api.token":            string(a.API.Token),
		"api.phone_number_id":  a.API.PhoneNumberID,
		"api.version":          a.API.Version,
	})
	if a.Calling.Mode != callingNone {
		c.addf(at+".calling.mode", "none: permissions, messages and opt-outs work; calls over 8x8's SIP leg come with a later version", "%q does not exist for 8x8", a.Calling.Mode)
	}
}

// authorization checks a header's value: what follows the scheme is the secret.
func (c *checker) authorization(path string, s Secret) {
	value := string(s)
	if scheme, credentials, ok := strings.Cut(value, " "); ok && scheme != "" {
		value = credentials
	}
	c.secret(path, Secret(value), minSecret)
	if strings.ContainsFunc(string(s), func(r rune) bool { return r < ' ' || r > '~' }) {
		c.addf(path, "printable ASCII on one line", "cannot be a header's value")
	}
}

func (c *checker) meta(at string, a *AccountConfig) {
	c.secret(at+".webhook.app_secret", a.Webhook.AppSecret, minSecret)
	c.secret(at+".webhook.verify_token", a.Webhook.VerifyToken, minSecret)
	c.secret(at+".api.token", a.API.Token, 1)
	if !digitsForm.MatchString(a.API.PhoneNumberID) {
		c.addf(at+".api.phone_number_id", "the digits under the number in Meta's WhatsApp manager", "is missing or not digits")
	}
	if !graphVersion.MatchString(a.API.Version) {
		c.addf(at+".api.version", "such as v26.0", "is not a Graph API version")
	}
	c.foreign(at, "8x8", map[string]string{
		"webhook.authorization": string(a.Webhook.Authorization),
		"api.key":               string(a.API.Key),
		"api.subaccount":        a.API.Subaccount,
		"api.channel":           a.API.Channel,
	})
	c.oneOf(at+".calling.mode", a.Calling.Mode, callingNone, callingGraph)
	if a.Calling.Mode == callingGraph && !agentForm.MatchString(a.Calling.Agent) {
		c.addf(at+".calling.agent", "an extension of the PBX, such as 1001, or sip:1001@ and the trunk's host", "is missing or cannot be dialled: calls from users need somewhere to ring")
	}
}

// foreign refuses keys of the other provider: the reader meant something else.
func (c *checker) foreign(at, other string, values map[string]string) {
	for key, value := range values {
		if value != "" {
			c.addf(at+"."+key, "remove it, or change the provider", "belongs to provider %s", other)
		}
	}
}

func (c *checker) required(path, value string) {
	if value == "" {
		c.addf(path, "docs/configuration.md says what it is", "is missing")
	}
}

func (c *checker) baseURL(path string, a *AccountConfig) {
	if a.API.BaseURL == "" {
		return // an unknown provider, named as such
	}
	u, err := url.Parse(a.API.BaseURL)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.User != nil || u.RawQuery != "" {
		c.addf(path, "such as https://graph.facebook.com", "is not an http(s) address")
		return
	}
	if u.Scheme == "http" && !loopback(u.Hostname()) {
		c.addf(path, "use https", "would send the credentials in the clear")
	}
}

func (c *checker) codecs(path string, list []media.Codec) {
	seen := map[media.Codec]bool{}
	for _, codec := range list {
		c.oneOf(path, string(codec), string(media.Opus), string(media.PCMU), string(media.PCMA))
		if seen[codec] {
			c.addf(path, "name each once", "%q is listed twice", codec)
		}
		seen[codec] = true
	}
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}
