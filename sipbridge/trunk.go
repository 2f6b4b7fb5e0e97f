package sipbridge

import (
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// peerTrunk is a Trunk whose URI has been read.
type peerTrunk struct {
	Trunk
	uri       sip.Uri
	host      string // without brackets
	port      int
	transport string // "UDP" or "TCP"
}

// extension is what may stand before the @ of an agent without escaping (RFC
// 3261 section 25.1, user, less the characters that PBXs read as dial plans).
var extension = regexp.MustCompile(`^[A-Za-z0-9+*_.~!-]{1,64}$`)

// userPart is a user as it may appear in a SIP URI: + and digits, or a BSUID.
var userPart = regexp.MustCompile(`^(\+[1-9][0-9]{4,14}|[A-Z]{2}\.[A-Za-z0-9.]{1,128})$`)

func parseTrunk(t Trunk) (peerTrunk, error) {
	p := peerTrunk{Trunk: t, transport: "UDP"}
	if err := sip.ParseUri(t.URI, &p.uri); err != nil {
		return p, fmt.Errorf("%w: trunk uri: %w", ErrConfig, err)
	}
	if p.uri.Scheme != "sip" || p.uri.Host == "" {
		return p, fmt.Errorf("%w: trunk uri must be sip:host:port;transport=udp|tcp", ErrConfig)
	}
	if tr, ok := p.uri.UriParams.Get("transport"); ok {
		p.transport = strings.ToUpper(tr)
	}
	if p.transport != "UDP" && p.transport != "TCP" {
		return p, fmt.Errorf("%w: trunk transport is neither udp nor tcp", ErrConfig)
	}
	p.host = strings.Trim(p.uri.Host, "[]")
	p.port = p.uri.Port
	if p.port == 0 {
		p.port = sip.DefaultUdpPort
	}
	return p, nil
}

// hostPort is where packets for the trunk go.
func (p peerTrunk) hostPort() string { return net.JoinHostPort(p.host, strconv.Itoa(p.port)) }

// agentURI is the Request-URI for an agent: an extension, or a SIP URI whose host
// is the trunk's. Nothing else can be dialled, so that no input reaches a host
// that the configuration does not name.
func (p peerTrunk) agentURI(agent string) (sip.Uri, error) {
	user := agent
	if strings.HasPrefix(agent, "sip:") {
		var u sip.Uri
		if err := sip.ParseUri(agent, &u); err != nil {
			return sip.Uri{}, fmt.Errorf("%w: %w", ErrAgent, err)
		}
		if !strings.EqualFold(strings.Trim(u.Host, "[]"), p.host) || u.Password != "" {
			return sip.Uri{}, ErrAgent
		}
		user = u.User
	}
	if !extension.MatchString(user) {
		return sip.Uri{}, ErrAgent
	}
	uri := sip.Uri{Scheme: "sip", User: user, Host: p.uri.Host, Port: p.uri.Port}
	if p.transport == "TCP" {
		uri.UriParams.Add("transport", "tcp")
	}
	return uri, nil
}
