package media

import (
	"fmt"
	"strconv"
	"strings"
)

// opusParameters are the format parameters of Opus that we announce (RFC 7587
// section 6.1): speech at 16 kHz, with in-band FEC, which is what WhatsApp sends
// (protocol: Meta's own offers carry the same line).
const opusParameters = "maxaveragebitrate=20000;maxplaybackrate=16000;minptime=20;" +
	"sprop-maxcapturerate=16000;useinbandfec=1"

// audioLine collects what an m=audio section of ours says.
type audioLine struct {
	formats   []format
	event     uint8 // payload type of telephone-event/8000, or noEvent
	direction string
}

// payloadTypes is the format list of the media line.
func (a audioLine) payloadTypes() string {
	list := make([]string, 0, len(a.formats)+1)
	for _, f := range a.formats {
		list = append(list, strconv.Itoa(int(f.pt)))
	}
	if a.event != noEvent {
		list = append(list, strconv.Itoa(int(a.event)))
	}

	return strings.Join(list, " ")
}

// writeFormats writes the rtpmap and fmtp lines. The static payload types of RFC
// 3551 are named only when named is set: a SIP request over UDP must stay small.
func (a audioLine) writeFormats(b *strings.Builder, named, eventRange bool) {
	for _, f := range a.formats {
		switch f.codec {
		case Opus:
			fmt.Fprintf(b, "a=rtpmap:%d opus/48000/2\r\n", f.pt)
			if named {
				fmt.Fprintf(b, "a=fmtp:%d %s\r\n", f.pt, opusParameters)
			} else {
				fmt.Fprintf(b, "a=fmtp:%d useinbandfec=1\r\n", f.pt)
			}
		case PCMU, PCMA:
			if named || f.pt != f.codec.payloadType() {
				fmt.Fprintf(b, "a=rtpmap:%d %s/8000\r\n", f.pt, strings.ToUpper(string(f.codec)))
			}
		}
	}
	if a.event == noEvent {
		return
	}
	fmt.Fprintf(b, "a=rtpmap:%d telephone-event/%d\r\n", a.event, telephoneEventClock)
	if eventRange {
		fmt.Fprintf(b, "a=fmtp:%d 0-16\r\n", a.event)
	}
}

// refuseOthers returns the lines of an answer's refused media before and after
// the audio line (RFC 3264 section 6: as many media lines as the offer).
func (d *description) refuseOthers() (before, after string) {
	var b, a strings.Builder
	for i, line := range d.refused {
		switch {
		case i < d.audio:
			b.WriteString(line + "\r\n")
		case i > d.audio:
			a.WriteString(line + "\r\n")
		}
	}

	return b.String(), a.String()
}

// mirrored is the direction of an answer to an offer's (RFC 3264 section 6.1).
func mirrored(offered string) string {
	switch offered {
	case "sendonly":
		return "recvonly"
	case "recvonly":
		return "sendonly"
	case "inactive":
		return "inactive"
	default:
		return "sendrecv"
	}
}

// choose picks the codec of an offer: the first of ours that the peer has.
func choose(ours []Codec, peer *description) (format, error) {
	for _, c := range ours {
		for _, f := range peer.formats {
			if f.codec == c {
				return f, nil
			}
		}
	}

	return format{}, ErrNoCommonCodec
}

// accepted picks the codec of an answer: the first of the peer's that we offered.
func accepted(offered []format, peer *description) (ours, theirs format, err error) {
	for _, f := range peer.formats {
		for _, o := range offered {
			if o.codec == f.codec {
				return o, f, nil
			}
		}
	}

	return format{}, format{}, ErrNoCommonCodec
}
