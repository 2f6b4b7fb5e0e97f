package handset

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"

	"github.com/callctl/callctl/testbed/stream"
)

// The texts of Meta's error_data.details (protocol: Meta calling "reference").
const (
	detailInvalid       = "SDP Validation error - Provided SDP is invalid"
	detailNoFingerprint = "No fingerprint found in SDP"
	detailNotSHA256     = "Fingerprint algo is not SHA256"
)

// SDPError is a business's SDP that Meta refuses.
type SDPError struct {
	Details string // Meta's words
	Why     string // what was wrong, for the developer who reads the test's output
}

// Error implements error.
func (e *SDPError) Error() string { return "handset: " + e.Details + ": " + e.Why }

func invalid(format string, a ...any) error {
	return &SDPError{Details: detailInvalid, Why: fmt.Sprintf(format, a...)}
}

// description is what a business's SDP says.
type description struct {
	mid         string
	ufrag, pwd  string
	fingerprint string // upper-case hex with colons
	setup       string
	codecs      []stream.Codec // in the order of the m= line
	events      []uint8        // payload types of telephone-event/8000
}

// describe reads a business's SDP as Meta does and refuses what Meta refuses.
func describe(text string, answer bool) (*description, error) {
	var session sdp.SessionDescription
	if err := session.UnmarshalString(text); err != nil {
		return nil, invalid("it does not parse: %v", err)
	}
	if len(session.MediaDescriptions) != 1 || session.MediaDescriptions[0].MediaName.Media != "audio" {
		return nil, invalid("it needs exactly one m= line, audio")
	}
	media := session.MediaDescriptions[0]
	if media.MediaName.Port.Value == 0 {
		return nil, invalid("the audio line has port 0")
	}
	if profile := strings.Join(media.MediaName.Protos, "/"); profile != "UDP/TLS/RTP/SAVPF" {
		return nil, invalid("profile %s", profile)
	}
	d := &description{}
	attributes := slices.Concat(session.Attributes, media.Attributes)
	for _, check := range []func([]sdp.Attribute) error{
		d.takeFingerprint, d.takeICE, d.takeSource,
		func(a []sdp.Attribute) error { return d.takeSetup(a, answer) },
	} {
		if err := check(attributes); err != nil {
			return nil, err
		}
	}
	return d, d.takeCodecs(media)
}

func values(attributes []sdp.Attribute, key string) []string {
	var found []string
	for _, attribute := range attributes {
		if attribute.Key == key {
			found = append(found, attribute.Value)
		}
	}
	return found
}

func (d *description) takeFingerprint(attributes []sdp.Attribute) error {
	lines := values(attributes, "fingerprint")
	if len(lines) == 0 {
		return &SDPError{Details: detailNoFingerprint, Why: "no a=fingerprint line"}
	}
	for _, line := range lines {
		algorithm, value, _ := strings.Cut(line, " ")
		if algorithm != "sha-256" {
			return &SDPError{Details: detailNotSHA256, Why: "algorithm " + algorithm}
		}
		if len(value) != 32*3-1 {
			return invalid("the fingerprint has %d characters", len(value))
		}
		d.fingerprint = strings.ToUpper(value)
	}
	if len(lines) > 1 {
		return invalid("%d fingerprint lines, exactly one is allowed", len(lines))
	}
	return nil
}

func (d *description) takeICE(attributes []sdp.Attribute) error {
	ufrag, pwd := values(attributes, "ice-ufrag"), values(attributes, "ice-pwd")
	if len(ufrag) != 1 || len(pwd) != 1 || len(ufrag[0]) < 4 || len(pwd[0]) < 22 {
		return invalid("it needs one ice-ufrag of 4 and one ice-pwd of 22 characters or more")
	}
	d.ufrag, d.pwd = ufrag[0], pwd[0]
	if len(values(attributes, "ice-lite")) > 0 {
		return invalid("both sides would be ice-lite")
	}
	if len(values(attributes, "rtcp-mux")) == 0 {
		return invalid("no rtcp-mux")
	}
	if mids := values(attributes, "mid"); len(mids) == 1 {
		d.mid = mids[0]
	}
	return nil
}

// takeSource checks what decides over one-way audio: the direction, and one SSRC.
func (d *description) takeSource(attributes []sdp.Attribute) error {
	if len(values(attributes, "sendrecv")) == 0 {
		return invalid("no a=sendrecv")
	}
	var ssrc string
	for _, line := range values(attributes, "ssrc") {
		id, _, _ := strings.Cut(line, " ")
		if ssrc != "" && id != ssrc {
			return invalid("more than one SSRC")
		}
		ssrc = id
	}
	return nil
}

func (d *description) takeSetup(attributes []sdp.Attribute, answer bool) error {
	setup := values(attributes, "setup")
	if len(setup) != 1 {
		return invalid("it needs one a=setup")
	}
	d.setup = setup[0]
	allowed := []string{"actpass", "active", "passive"}
	if answer {
		allowed = allowed[1:] // RFC 5763 section 5: an answer decides
	}
	if !slices.Contains(allowed, d.setup) {
		return invalid("a=setup:%s in an %s", d.setup, map[bool]string{false: "offer", true: "answer"}[answer])
	}
	return nil
}

func (d *description) takeCodecs(media *sdp.MediaDescription) error {
	names := map[string]string{"0": "pcmu/8000", "8": "pcma/8000"} // RFC 3551 table 4
	for _, line := range values(media.Attributes, "rtpmap") {
		payloadType, name, _ := strings.Cut(line, " ")
		names[payloadType] = strings.ToLower(name)
	}
	for _, format := range media.MediaName.Formats {
		number, err := strconv.ParseUint(format, 10, 7)
		if err != nil {
			return invalid("payload type %s", format)
		}
		payloadType := uint8(number)
		switch names[format] {
		case "opus/48000/2":
			d.codecs = append(d.codecs, stream.Codec{Name: "opus", PayloadType: payloadType})
		case "pcmu/8000", "pcmu/8000/1":
			d.codecs = append(d.codecs, stream.Codec{Name: "pcmu", PayloadType: payloadType})
		case "pcma/8000", "pcma/8000/1":
			d.codecs = append(d.codecs, stream.Codec{Name: "pcma", PayloadType: payloadType})
		case "telephone-event/8000":
			d.events = append(d.events, payloadType)
		}
	}
	return nil
}
