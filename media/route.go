package media

import "net/netip"

// route is what one side of a call agreed on. It is immutable: a new negotiation
// stores a new one, and the packet path compares pointers.
type route struct {
	codec     Codec
	recvPT    uint8 // what the peer sends us, as we announced it
	sendPT    uint8 // what we send, as the peer announced it
	recvEvent uint8 // telephone-event, or noEvent
	sendEvent uint8
	remote    netip.AddrPort // RTP/AVP only; invalid on hold
	receives  bool           // the peer wants our packets (direction)
}

// newRoute joins our format and the peer's.
func newRoute(ours, theirs format, ourEvent uint8, peer *description) *route {
	r := &route{
		codec: ours.codec, recvPT: ours.pt, sendPT: theirs.pt,
		recvEvent: ourEvent, sendEvent: peer.event, remote: peer.remote,
		receives: peer.direction == "sendrecv" || peer.direction == "recvonly",
	}
	if ourEvent == noEvent || peer.event == noEvent {
		r.recvEvent, r.sendEvent = noEvent, noEvent
	}

	return r
}

// sort marks the packet as audio or event; false for a payload type that was not
// agreed.
func (r *route) sort(p *packet) bool {
	p.event = r.recvEvent != noEvent && p.pt == r.recvEvent

	return p.event || p.pt == r.recvPT
}
