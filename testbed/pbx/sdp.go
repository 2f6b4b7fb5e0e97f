package pbx

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/pion/sdp/v3"

	"github.com/callctl/callctl/testbed/stream"
)

// remote is what the other side's SDP says.
type remote struct {
	address netip.AddrPort
	codecs  []stream.Codec
	events  []uint8 // payload types of telephone-event
}

func parseSDP(body []byte) (*remote, error) {
	var session sdp.SessionDescription
	if err := session.Unmarshal(body); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSDP, err)
	}
	for _, media := range session.MediaDescriptions {
		if media.MediaName.Media != "audio" || media.MediaName.Port.Value == 0 ||
			strings.Join(media.MediaName.Protos, "/") != "RTP/AVP" {
			continue
		}
		connection := media.ConnectionInformation
		if connection == nil {
			connection = session.ConnectionInformation
		}
		if connection == nil || connection.Address == nil {
			return nil, fmt.Errorf("%w: no c= line", ErrSDP)
		}
		address, err := netip.ParseAddr(connection.Address.Address)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrSDP, err)
		}
		r := &remote{address: netip.AddrPortFrom(address, uint16(media.MediaName.Port.Value))}
		return r, r.takeFormats(media)
	}
	return nil, ErrSDP
}

func (r *remote) takeFormats(media *sdp.MediaDescription) error {
	names := map[string]string{"0": "pcmu/8000", "8": "pcma/8000"} // RFC 3551 table 4
	for _, attribute := range media.Attributes {
		if attribute.Key == "rtpmap" {
			format, name, _ := strings.Cut(attribute.Value, " ")
			names[format] = strings.ToLower(name)
		}
	}
	for _, format := range media.MediaName.Formats {
		number, err := strconv.ParseUint(format, 10, 7)
		if err != nil {
			return fmt.Errorf("%w: payload type: %w", ErrSDP, err)
		}
		payloadType := uint8(number)
		switch name, _, _ := strings.Cut(names[format], "/"); name {
		case "opus", "pcmu", "pcma":
			r.codecs = append(r.codecs, stream.Codec{Name: name, PayloadType: payloadType})
		case "telephone-event":
			r.events = append(r.events, payloadType)
		}
	}
	return nil
}

// choose is the first codec of the extension that the offer has.
func choose(wanted []string, offered []stream.Codec) (stream.Codec, bool) {
	for _, name := range wanted {
		for _, codec := range offered {
			if codec.Name == name {
				return codec, true
			}
		}
	}
	return stream.Codec{}, false
}

// offered are codecs with the usual payload types.
func offered(names []string) ([]stream.Codec, error) {
	types := map[string]uint8{"opus": 96, "pcmu": 0, "pcma": 8}
	codecs := make([]stream.Codec, 0, len(names))
	for _, name := range names {
		payloadType, ok := types[name]
		if !ok {
			return nil, fmt.Errorf("%w %q", ErrCodec, name)
		}
		codecs = append(codecs, stream.Codec{Name: name, PayloadType: payloadType})
	}
	return codecs, nil
}

// offeredEvent is the payload type of telephone-event in the PBX's own offers.
const offeredEvent = 101

// writeSDP is the PBX's offer or answer with its socket at local.
func writeSDP(local netip.AddrPort, codecs []stream.Codec, events []uint8) []byte {
	family := "IP4"
	if local.Addr().Is6() {
		family = "IP6"
	}
	var formats, lines []string
	for _, codec := range codecs {
		formats = append(formats, strconv.Itoa(int(codec.PayloadType)))
		rate := "8000"
		if codec.Name == "opus" {
			rate = "48000/2" // RFC 7587 section 7
		}
		lines = append(lines, fmt.Sprintf("a=rtpmap:%d %s/%s", codec.PayloadType, strings.ToUpper(codec.Name), rate))
	}
	for _, event := range events {
		formats = append(formats, strconv.Itoa(int(event)))
		lines = append(lines, fmt.Sprintf("a=rtpmap:%d telephone-event/8000", event),
			fmt.Sprintf("a=fmtp:%d 0-16", event))
	}
	text := []string{
		"v=0", fmt.Sprintf("o=pbx %d 1 IN %s %s", time.Now().UnixNano(), family, local.Addr()), "s=-",
		fmt.Sprintf("c=IN %s %s", family, local.Addr()), "t=0 0",
		fmt.Sprintf("m=audio %d RTP/AVP %s", local.Port(), strings.Join(formats, " ")),
	}
	text = append(append(text, lines...), "a=ptime:20", "a=sendrecv")
	return []byte(strings.Join(text, "\r\n") + "\r\n")
}
