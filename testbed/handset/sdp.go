package handset

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/callctl/callctl/testbed/stream"
)

// metaEvent is the payload type of telephone-event/8000 in Meta's SDP.
const metaEvent = 126

// Answer takes callctl's offer and returns Meta's answer (ice-lite, setup:active
// unless Passive). A refused offer is an *SDPError.
func (h *Handset) Answer(offer string) (string, error) {
	peer, err := describe(offer, false)
	if err != nil {
		return "", err
	}
	codecs := h.common(peer.codecs)
	if len(codecs) == 0 {
		return "", invalid("no codec in common with the handset")
	}
	h.mu.Lock()
	passive := h.behaviour.Passive || peer.setup == "active"
	h.mu.Unlock()
	setup := "active"
	if passive {
		setup = "passive"
	}
	event := uint8(metaEvent)
	if len(peer.events) > 0 {
		event = peer.events[0]
	}
	if err := h.agree(peer, codecs, event, !passive); err != nil {
		return "", err
	}
	return h.text(peer.mid, setup, codecs, event), nil
}

// common is what both sides speak, in the handset's order, with the payload
// types of the offer.
func (h *Handset) common(offered []stream.Codec) []stream.Codec {
	var codecs []stream.Codec
	for _, name := range h.behaviour.Codecs {
		for _, codec := range offered {
			if codec.Name == name {
				codecs = append(codecs, codec)
				break
			}
		}
	}
	return codecs
}

// Offer returns Meta's offer (ice-lite, setup:actpass) for a user's call.
func (h *Handset) Offer() (string, error) {
	codecs, err := h.own()
	if err != nil {
		return "", err
	}
	return h.text("audio", "actpass", codecs, metaEvent), nil
}

// own is the handset's codecs with Meta's payload types.
func (h *Handset) own() ([]stream.Codec, error) {
	types := map[string]uint8{"opus": 111, "pcmu": 0, "pcma": 8}
	var codecs []stream.Codec
	for _, name := range h.behaviour.Codecs {
		payloadType, ok := types[name]
		if !ok {
			return nil, fmt.Errorf("%w %q", ErrCodec, name)
		}
		codecs = append(codecs, stream.Codec{Name: name, PayloadType: payloadType})
	}
	return codecs, nil
}

// SetAnswer takes callctl's answer to Offer. A refused answer is an *SDPError.
func (h *Handset) SetAnswer(sdp string) error {
	peer, err := describe(sdp, true)
	if err != nil {
		return err
	}
	offered, err := h.own()
	if err != nil {
		return err
	}
	var codecs []stream.Codec
	for _, codec := range peer.codecs { // the answer's order says what it wants to hear
		for _, mine := range offered {
			if codec == mine {
				codecs = append(codecs, codec)
			}
		}
	}
	if len(codecs) == 0 {
		return invalid("no codec of the offer in the answer")
	}
	if peer.mid != "audio" {
		return invalid("a=mid:%s where the offer said audio", peer.mid)
	}
	return h.agree(peer, codecs, metaEvent, peer.setup == "passive")
}

func (h *Handset) agree(peer *description, codecs []stream.Codec, event uint8, client bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.peer != nil {
		return ErrDescribed
	}
	h.peer, h.codecs, h.client = peer, codecs, client
	h.receive = stream.NewReceiver(codecs, []uint8{event})
	close(h.described)
	return nil
}

// text writes an SDP in the shape of Meta's live offer.
func (h *Handset) text(mid, setup string, codecs []stream.Codec, event uint8) string {
	address, _ := netip.ParseAddrPort(h.socket.LocalAddr().String())
	family := "IP4"
	if address.Addr().Is6() {
		family = "IP6"
	}
	formats := make([]string, 0, len(codecs)+1)
	for _, codec := range codecs {
		formats = append(formats, strconv.Itoa(int(codec.PayloadType)))
	}
	formats = append(formats, strconv.Itoa(int(event)))
	lines := []string{
		"v=0", fmt.Sprintf("o=- %d 2 IN IP4 127.0.0.1", time.Now().UnixMilli()), "s=-", "t=0 0",
	}
	if mid != "" {
		lines = append(lines, "a=group:BUNDLE "+mid)
	}
	label := fmt.Sprintf("%08x-callctl-testbed", h.ssrcLabel)
	lines = append(lines,
		"a=msid-semantic: WMS "+label, "a=ice-lite",
		fmt.Sprintf("m=audio %d UDP/TLS/RTP/SAVPF %s", address.Port(), strings.Join(formats, " ")),
		fmt.Sprintf("c=IN %s %s", family, address.Addr()),
		"a=rtcp:9 IN IP4 0.0.0.0",
		fmt.Sprintf("a=candidate:2275956755 1 udp 2122260223 %s %d typ host generation 0 network-cost 50",
			address.Addr(), address.Port()),
		"a=ice-ufrag:"+h.ufrag, "a=ice-pwd:"+h.pwd,
		"a=fingerprint:sha-256 "+h.fingerprint, "a=setup:"+setup)
	if mid != "" {
		lines = append(lines, "a=mid:"+mid)
	}
	lines = append(lines, "a=sendrecv", "a=msid:"+label+" WhatsAppTrack1", "a=rtcp-mux")
	for _, codec := range codecs {
		lines = append(lines, codecLines(codec)...)
	}
	lines = append(lines, fmt.Sprintf("a=rtpmap:%d telephone-event/8000", event),
		"a=maxptime:20", "a=ptime:20", fmt.Sprintf("a=ssrc:%d cname:WhatsAppAudioStream1", h.ssrcLabel))
	return strings.Join(lines, "\r\n") + "\r\n"
}

func codecLines(codec stream.Codec) []string {
	if codec.Name != "opus" {
		return []string{fmt.Sprintf("a=rtpmap:%d %s/8000", codec.PayloadType, strings.ToUpper(codec.Name))}
	}
	return []string{
		fmt.Sprintf("a=rtpmap:%d opus/48000/2", codec.PayloadType),
		fmt.Sprintf("a=rtcp-fb:%d transport-cc", codec.PayloadType),
		fmt.Sprintf("a=fmtp:%d maxaveragebitrate=20000;maxplaybackrate=16000;minptime=20;"+
			"sprop-maxcapturerate=16000;useinbandfec=1", codec.PayloadType),
	}
}

// Addr is the address of the media socket.
func (h *Handset) Addr() net.Addr { return h.socket.LocalAddr() }
