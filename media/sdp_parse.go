package media

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/pion/ice/v4"
	"github.com/pion/sdp/v3"
)

// Limits of a session description; one that exceeds them is refused before it is
// parsed.
const (
	MaxSDP        = 32 << 10 // octets
	MaxMediaLines = 8
	MaxCandidates = 64
)

// format is one payload type of an audio line.
type format struct {
	codec Codec
	pt    uint8
}

// noEvent is the payload type of a description without telephone-event/8000.
const noEvent uint8 = 0xFF

// description is what we use of a peer's session description. It is never
// changed after it was parsed.
type description struct {
	formats   []format // codecs that this package has, in the peer's order
	event     uint8    // payload type of telephone-event/8000, or noEvent
	direction string   // sendrecv, sendonly, recvonly, inactive
	protocol  string   // of the audio line
	bundle    bool
	mid       string
	audio     int      // index of the audio line
	refused   []string // the other media lines as an answer refuses them, by index

	remote netip.AddrPort // RTP/AVP: where the peer receives; invalid when on hold

	ufrag, pwd  string // WebRTC from here on
	lite        bool
	candidates  []ice.Candidate
	fingerprint [32]byte
	setup       string
}

// parseSDP parses the session description of one of our two kinds of stream.
func parseSDP(text string) (*sdp.SessionDescription, error) {
	switch {
	case len(text) > MaxSDP:
		return nil, fmt.Errorf("%w: longer than %d octets", ErrSDP, MaxSDP)
	case strings.ContainsRune(text, 0):
		return nil, fmt.Errorf("%w: NUL", ErrSDP)
	case strings.Contains(strings.ReplaceAll(text, "\r\n", "\n"), "\r"):
		return nil, fmt.Errorf("%w: CR without LF", ErrSDP)
	case strings.Count("\n"+text, "\nm=") > MaxMediaLines:
		return nil, fmt.Errorf("%w: more than %d media lines", ErrSDP, MaxMediaLines)
	case strings.Count("\n"+text, "\na=candidate:") > MaxCandidates:
		return nil, fmt.Errorf("%w: more than %d candidates", ErrSDP, MaxCandidates)
	}
	var s sdp.SessionDescription
	if err := s.UnmarshalString(text); err != nil {
		// The parser quotes the line that it refused, which may hold an address.
		return nil, fmt.Errorf("%w: not parseable", ErrSDP)
	}

	return &s, nil
}

// describe takes what both kinds of stream need from s. protocol is the accepted
// transport of the audio line.
func describe(s *sdp.SessionDescription, protocols ...string) (*description, *sdp.MediaDescription, error) {
	d := &description{audio: -1, event: noEvent}
	for i, m := range s.MediaDescriptions {
		d.refused = append(d.refused, fmt.Sprintf("m=%s 0 %s %s",
			m.MediaName.Media, strings.Join(m.MediaName.Protos, "/"), strings.Join(m.MediaName.Formats, " ")))
		usable := m.MediaName.Media == "audio" && m.MediaName.Port.Value != 0
		if d.audio < 0 && usable && slices.Contains(protocols, strings.Join(m.MediaName.Protos, "/")) {
			d.audio = i
		}
	}
	if d.audio < 0 {
		return nil, nil, fmt.Errorf("%w: no audio line of %s", ErrSDP, strings.Join(protocols, " or "))
	}
	m := s.MediaDescriptions[d.audio]
	if m.MediaName.Port.Value < 0 || m.MediaName.Port.Value > 65535 || m.MediaName.Port.Range != nil {
		return nil, nil, fmt.Errorf("%w: port of the audio line", ErrSDP)
	}
	d.protocol = strings.Join(m.MediaName.Protos, "/")
	d.direction = direction(s, m)
	d.mid, _ = m.Attribute("mid")
	group, _ := s.Attribute("group")
	d.bundle = strings.HasPrefix(group, "BUNDLE")
	if err := d.addFormats(m); err != nil {
		return nil, nil, err
	}

	return d, m, nil
}

// direction is the media line's direction, the session's, or sendrecv (RFC 8866
// section 6.7).
func direction(s *sdp.SessionDescription, m *sdp.MediaDescription) string {
	for _, name := range []string{"sendrecv", "sendonly", "recvonly", "inactive"} {
		if _, ok := m.Attribute(name); ok {
			return name
		}
	}
	for _, name := range []string{"sendonly", "recvonly", "inactive"} {
		if _, ok := s.Attribute(name); ok {
			return name
		}
	}

	return "sendrecv"
}

// addFormats reads the payload types of the audio line and their rtpmap lines.
func (d *description) addFormats(m *sdp.MediaDescription) error {
	maps := map[string]string{"0": "pcmu/8000", "8": "pcma/8000"} // RFC 3551 table 4
	for _, a := range m.Attributes {
		if a.Key != "rtpmap" {
			continue
		}
		pt, encoding, ok := strings.Cut(a.Value, " ")
		if ok {
			maps[pt] = strings.ToLower(strings.TrimSpace(encoding))
		}
	}
	for _, name := range m.MediaName.Formats {
		pt, err := strconv.ParseUint(name, 10, 7)
		if err != nil {
			return fmt.Errorf("%w: payload type of the audio line", ErrSDP)
		}
		switch maps[name] {
		case "opus/48000/2":
			d.add(Opus, uint8(pt))
		case "pcmu/8000", "pcmu/8000/1":
			d.add(PCMU, uint8(pt))
		case "pcma/8000", "pcma/8000/1":
			d.add(PCMA, uint8(pt))
		case "telephone-event/8000", "telephone-event/8000/1":
			if d.event == noEvent {
				d.event = uint8(pt)
			}
		}
	}

	return nil
}

// add keeps the first payload type of each codec.
func (d *description) add(c Codec, pt uint8) {
	for _, f := range d.formats {
		if f.codec == c || f.pt == pt {
			return
		}
	}
	d.formats = append(d.formats, format{codec: c, pt: pt})
}

// describeRTP reads a description of RTP/AVP.
func describeRTP(text string) (*description, error) {
	s, err := parseSDP(text)
	if err != nil {
		return nil, err
	}
	d, m, err := describe(s, "RTP/AVP")
	if err != nil {
		return nil, err
	}
	c := m.ConnectionInformation
	if c == nil {
		c = s.ConnectionInformation
	}
	if c == nil || c.Address == nil {
		return nil, fmt.Errorf("%w: no connection line", ErrSDP)
	}
	addr, err := netip.ParseAddr(c.Address.Address)
	if err != nil || addr.IsMulticast() || addr.Zone() != "" || c.Address.Range != nil {
		return nil, fmt.Errorf("%w: connection address is not a unicast IP address", ErrSDP)
	}
	if !addr.IsUnspecified() { // 0.0.0.0 is the hold of RFC 2543
		d.remote = netip.AddrPortFrom(addr.Unmap(), uint16(m.MediaName.Port.Value))
	}

	return d, nil
}

// describeWebRTC reads a description of a DTLS-SRTP peer. public is our own
// address: it says which candidate addresses are sane.
func describeWebRTC(text string, public netip.Addr) (*description, error) {
	s, err := parseSDP(text)
	if err != nil {
		return nil, err
	}
	d, m, err := describe(s, "UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP")
	if err != nil {
		return nil, err
	}
	d.ufrag, d.pwd = attribute(s, m, "ice-ufrag"), attribute(s, m, "ice-pwd")
	// RFC 8839 section 5.4: 4 to 256 and 22 to 256 characters.
	if len(d.ufrag) < 4 || len(d.ufrag) > 256 || len(d.pwd) < 22 || len(d.pwd) > 256 {
		return nil, fmt.Errorf("%w: ice-ufrag or ice-pwd missing or of wrong length", ErrSDP)
	}
	_, d.lite = s.Attribute("ice-lite")
	d.setup = attribute(s, m, "setup")
	if err := d.readFingerprint(s, m); err != nil {
		return nil, err
	}
	d.readCandidates(m, public)
	if len(d.candidates) == 0 {
		return nil, fmt.Errorf("%w: no usable candidate", ErrSDP)
	}

	return d, nil
}

func attribute(s *sdp.SessionDescription, m *sdp.MediaDescription, key string) string {
	if v, ok := m.Attribute(key); ok {
		return strings.TrimSpace(v)
	}
	v, _ := s.Attribute(key)

	return strings.TrimSpace(v)
}

// readFingerprint wants exactly one certificate, by sha-256 (protocol: Meta
// refuses a description with any other algorithm, and so do we).
func (d *description) readFingerprint(s *sdp.SessionDescription, m *sdp.MediaDescription) error {
	found := false
	for _, list := range [][]sdp.Attribute{s.Attributes, m.Attributes} {
		for _, a := range list {
			if a.Key != "fingerprint" {
				continue
			}
			algorithm, value, _ := strings.Cut(strings.TrimSpace(a.Value), " ")
			if !strings.EqualFold(algorithm, "sha-256") {
				return fmt.Errorf("%w: fingerprint algorithm is not sha-256", ErrSDP)
			}
			sum, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(value), ":", ""))
			if err != nil || len(sum) != len(d.fingerprint) {
				return fmt.Errorf("%w: fingerprint is not a sha-256 digest", ErrSDP)
			}
			if found && [32]byte(sum) != d.fingerprint {
				return fmt.Errorf("%w: more than one fingerprint", ErrSDP)
			}
			d.fingerprint, found = [32]byte(sum), true
		}
	}
	if !found {
		return fmt.Errorf("%w: no fingerprint", ErrSDP)
	}

	return nil
}

// readCandidates keeps the UDP candidates of component 1 that a peer may name.
func (d *description) readCandidates(m *sdp.MediaDescription, public netip.Addr) {
	for _, a := range m.Attributes {
		if a.Key != "candidate" {
			continue
		}
		value := a.Value // some peers append "ufrag X" and other extensions, which pion keeps
		c, err := ice.UnmarshalCandidate(value)
		if err != nil || c.Component() != 1 || !c.NetworkType().IsUDP() || c.Port() < 1 || c.Port() > 65535 {
			continue
		}
		addr, err := netip.ParseAddr(c.Address()) // also refuses names (mDNS)
		if err != nil || !mayProbe(addr.Unmap(), public) || addr.Unmap().Is4() != public.Is4() {
			continue
		}
		d.candidates = append(d.candidates, c)
	}
}

// mayProbe says whether a peer may make us send to addr: a description must not
// turn the ICE agent into a scanner of our own networks. A private address is
// fine only when ours is private too, loopback and link-local only when we live
// on loopback (tests, the demo).
func mayProbe(addr, public netip.Addr) bool {
	switch {
	case addr.IsUnspecified(), addr.IsMulticast(), addr.Zone() != "":
		return false
	case addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return false
	case addr.IsLoopback(), addr.IsLinkLocalUnicast():
		return public.IsLoopback()
	case addr.IsPrivate():
		return public.IsPrivate() || public.IsLoopback()
	default:
		return true
	}
}
