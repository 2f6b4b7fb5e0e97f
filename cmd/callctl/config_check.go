package main

import (
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/callctl/callctl/provider"
)

// minSecret is the least length of a secret that a stranger could try to guess.
const minSecret = provider.MinSecret

var nameForm = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// config adds a finding for everything in cfg that would not work.
func (c *checker) config(cfg *Config) {
	if cfg.DataDir == "" {
		c.addf("data_dir", "such as ./data", "is empty")
	}
	c.hostPort("http.listen", cfg.HTTP.Listen)
	c.hostPort("http.admin", cfg.HTTP.Admin)
	if cfg.HTTP.Listen == cfg.HTTP.Admin && !strings.HasSuffix(cfg.HTTP.Listen, ":0") {
		c.addf("http.admin", "the admin port asks for no token: keep it apart", "is the same address as http.listen")
	}
	c.tokens(cfg.Tokens)
	c.accounts(cfg)
	c.rules(cfg)
	c.trunks(cfg)
	c.sip(&cfg.SIP)
	c.media(cfg)
	c.timeouts(&cfg.Timeouts)
	c.oneOf("log.level", cfg.Log.Level, "debug", "info", "warn", "error")
	c.oneOf("webhooks.networks", cfg.Webhooks.Networks, networksPublic, networksPrivate)
	c.oneOf("log.format", cfg.Log.Format, "text", "json")
	if o := cfg.Audit.Origin; o == "" || strings.ContainsAny(o, " +\n\t") {
		c.addf("audit.origin", "such as callctl/acme", "must be a name without spaces or plus signs")
	}
}

func (c *checker) tokens(list []TokenConfig) {
	if len(list) == 0 {
		c.addf("tokens", "add one with a name, a token_file and scopes: [admin]", "no client could use the API: there is no token")
	}
	seen, secrets := map[string]bool{}, map[Secret]bool{}
	for i, t := range list {
		at := "tokens[" + strconv.Itoa(i) + "]"
		c.name(at+".name", t.Name, seen)
		c.secret(at+".token", t.Token, minSecret)
		if t.Token != "" && secrets[t.Token] {
			c.addf(at, "make one for each client: the audit names them apart", "has the same token as another")
		}
		secrets[t.Token] = true
		if len(t.Scopes) == 0 {
			c.addf(at+".scopes", "admin, read, write, audit", "allow nothing")
		}
		for _, s := range t.Scopes {
			c.oneOf(at+".scopes", s, "admin", "read", "write", "audit")
		}
	}
}

func (c *checker) trunks(cfg *Config) {
	if n := len(cfg.Trunks); n > 1 || (n == 0 && cfg.calling()) {
		c.addf("trunks", "an account with calling.mode graph needs a PBX", "must be exactly one, not %d", n)
	}
	seen := map[string]bool{}
	for i, t := range cfg.Trunks {
		at := "trunks[" + strconv.Itoa(i) + "]"
		c.name(at+".name", t.Name, seen)
		if why := sipURIFault(t.URI); why != "" {
			c.addf(at+".uri", "such as sip:pbx.example.com:5060;transport=tcp", "%s", why)
		}
		if t.Password != "" && t.Username == "" {
			c.addf(at+".username", "digest needs both", "is missing beside the password")
		}
		c.codecs(at+".codecs", t.Codecs)
	}
}

// sipURIFault says what is wrong with a trunk's address, or nothing.
func sipURIFault(uri string) string {
	rest, ok := strings.CutPrefix(uri, "sip:")
	if !ok {
		return "must begin with sip:"
	}
	host, params, _ := strings.Cut(rest, ";")
	if host == "" || strings.ContainsAny(host, " @/?") {
		return "must name a host, without a user"
	}
	if h, port, err := net.SplitHostPort(host); err == nil {
		if h == "" || !isPort(port) {
			return "has no usable host:port"
		}
	}
	for p := range strings.SplitSeq(params, ";") {
		switch p {
		case "", "transport=udp", "transport=tcp":
		default:
			return "has a parameter that is not transport=udp or transport=tcp"
		}
	}
	return ""
}

func (c *checker) sip(s *SIPConfig) {
	if len(s.Listen) == 0 {
		c.addf("sip.listen", "udp://0.0.0.0:5060", "is empty")
	}
	for i, addr := range s.Listen {
		u, err := url.Parse(addr)
		if err != nil || !slices.Contains([]string{"udp", "tcp"}, u.Scheme) || !isPort(u.Port()) || u.Hostname() == "" || u.Path != "" {
			c.addf("sip.listen["+strconv.Itoa(i)+"]", "udp://0.0.0.0:5060 or tcp://0.0.0.0:5060; TLS is not in this version", "%q is not udp://host:port or tcp://host:port", addr)
		}
	}
	if strings.ContainsAny(s.Contact, " /:@;") && net.ParseIP(s.Contact) == nil {
		c.addf("sip.contact", "the host only, such as sip.example.com or 203.0.113.7", "is not a host")
	}
}

func (c *checker) media(cfg *Config) {
	ports, err := cfg.Media.Ports()
	if err != nil {
		key, _, _ := strings.Cut(err.Error(), ":")
		c.addf("media."+key, "bind and address are IP addresses, rtp_ports is such as 20000-29999 and begins with an even port", "%s", strings.TrimPrefix(err.Error(), key+": "))
		return
	}
	const hint = "the public IP address of this machine, as WhatsApp and the PBX reach it"
	switch {
	case !cfg.calling():
	case ports.Public == netip.Addr{}, ports.Public.IsUnspecified():
		c.addf("media.address", hint, "is needed to carry calls")
	case ports.Public.Is4() != ports.Bind.Is4():
		c.addf("media.address", hint, "is not of the same family (IPv4, IPv6) as media.bind")
	}
}

func (c *checker) timeouts(t *TimeoutsConfig) {
	for key, d := range map[string]time.Duration{
		"agent_ring": t.AgentRing, "user_ring": t.UserRing, "stale": t.Stale, "media_up": t.MediaUp,
	} {
		if d < time.Second || d > 10*time.Minute {
			c.addf("timeouts."+key, "such as 45s", "%s is not between 1s and 10m", d)
		}
	}
}

func (c *checker) hostPort(path, addr string) {
	_, port, err := net.SplitHostPort(addr)
	if n, errN := strconv.ParseUint(port, 10, 16); err != nil || errN != nil || (n == 0 && port != "0") {
		c.addf(path, "such as 127.0.0.1:8080", "%q is not host:port", addr)
	}
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n <= 65535
}

// name checks a name's form and that it is the only one of its list.
func (c *checker) name(path, name string, seen map[string]bool) {
	switch {
	case !nameForm.MatchString(name):
		c.addf(path, "lower-case letters, digits and hyphens", "%q is not a name", name)
	case seen[name]:
		c.addf(path, "names are unique", "%q is used twice", name)
	}
	seen[name] = true
}

func (c *checker) secret(path string, s Secret, least int) {
	switch {
	case s == "":
		c.addf(path, "give "+path+" or "+path+"_file", "is missing")
	case len(s) < least:
		c.addf(path, "openssl rand -hex 32", "is shorter than %d characters", least)
	case strings.TrimSpace(string(s)) != string(s):
		c.addf(path, "remove the spaces around it", "begins or ends with white space")
	}
}

func (c *checker) oneOf(path, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		c.addf(path, "one of "+strings.Join(allowed, ", "), "%q is not known", value)
	}
}
