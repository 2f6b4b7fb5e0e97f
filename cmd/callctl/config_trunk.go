package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/callctl/callctl/media"
)

// TrunkConfig is one PBX.
type TrunkConfig struct {
	// Name names the trunk in logs and metrics.
	Name string `yaml:"name"`
	// URI is the PBX: sip:host[:port][;transport=udp|tcp].
	URI string `yaml:"uri"`
	// Username answers the PBX's digest challenges (RFC 8760).
	Username string `yaml:"username,omitempty"`
	// Password answers the PBX's digest challenges. Prefer password_file.
	Password Secret `yaml:"password,omitempty"`
	// PasswordFile is a file with the password.
	PasswordFile string `yaml:"password_file,omitempty"`
	// Codecs are offered to the PBX, in order of preference: opus, pcmu, pcma.
	Codecs []media.Codec `yaml:"codecs" jsonschema:"enum=opus,enum=pcmu,enum=pcma"`
}

// SIPConfig is our side of the trunk.
type SIPConfig struct {
	// Listen are the addresses that take SIP: udp://host:port or tcp://host:port.
	Listen []string `yaml:"listen"`
	// Contact is the host written into Contact and Via, where the PBX reaches us.
	// The listen address when left out.
	Contact string `yaml:"contact,omitempty"`
}

// MediaConfig is where audio flows.
type MediaConfig struct {
	// Bind is the local IP address of the audio sockets.
	Bind string `yaml:"bind"`
	// Address is the IP address written into SDP and ICE candidates: the public one.
	// Required for calls, unless bind names one address.
	Address string `yaml:"address,omitempty"`
	// PBXAddress is the IP address written into SDP towards the PBX, when the PBX
	// sits on another network than address, such as our LAN. Address when left out.
	PBXAddress string `yaml:"pbx_address,omitempty"`
	// RTPPorts is the range of UDP ports for audio, first-last: two for each call.
	// Open it in the firewall.
	RTPPorts string `yaml:"rtp_ports"`
}

var (
	errAddress   = errors.New("not an IP address")
	errPortRange = errors.New("not a range of UDP ports")
)

// Ports is what the media plane takes. Errors name the key that is wrong.
func (m MediaConfig) Ports() (media.PortsConfig, error) {
	bind, err := netip.ParseAddr(m.Bind)
	if err != nil {
		return media.PortsConfig{}, fmt.Errorf("bind: %w", errAddress)
	}
	public := bind
	if m.Address != "" {
		if public, err = netip.ParseAddr(m.Address); err != nil {
			return media.PortsConfig{}, fmt.Errorf("address: %w", errAddress)
		}
	}
	internal := public
	if m.PBXAddress != "" {
		if internal, err = netip.ParseAddr(m.PBXAddress); err != nil {
			return media.PortsConfig{}, fmt.Errorf("pbx_address: %w", errAddress)
		}
	}
	first, last, err := portRange(m.RTPPorts)
	if err != nil {
		return media.PortsConfig{}, fmt.Errorf("rtp_ports: %w", err)
	}
	return media.PortsConfig{Bind: bind, Public: public, Internal: internal, First: first, Last: last}, nil
}

// portRange reads "first-last"; "0-0" lets the system choose any free port.
func portRange(s string) (first, last uint16, err error) {
	from, to, ok := strings.Cut(s, "-")
	if !ok {
		return 0, 0, errPortRange
	}
	a, errA := strconv.ParseUint(strings.TrimSpace(from), 10, 16)
	b, errB := strconv.ParseUint(strings.TrimSpace(to), 10, 16)
	switch {
	case errA != nil || errB != nil:
		return 0, 0, errPortRange
	case a == 0 && b == 0:
		return 0, 0, nil
	case a < 1024 || b <= a || a%2 != 0:
		return 0, 0, errPortRange
	}
	return uint16(a), uint16(b), nil
}
