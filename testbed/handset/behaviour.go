package handset

import (
	"time"

	"github.com/callctl/callctl/testbed/stream"
)

// Behaviour says what the user does when called.
type Behaviour struct {
	RingFor time.Duration // how long it rings before Then happens
	Then    string        // "answer" (also when empty), "reject" or "ignore"
	HangUp  time.Duration // after answering, 0: never
	Codecs  []string      // accepted, in the handset's order: "opus", "pcmu", "pcma"; none: opus
	ToneHz  float64       // what the user "says": a sine tone, 0 for silence
	// Payloads, when set, are sent one every 20 ms as they are (Opus): deterministic
	// frames so that the other end can compare them byte for byte. At their end
	// the handset goes quiet, unless Repeat is set.
	Payloads [][]byte
	Repeat   bool
	// Passive makes answers say a=setup:passive: Meta's prose wants the business
	// as the DTLS client, its sample and most integrators see active.
	Passive bool
	// SendFirst makes the handset send audio without waiting for the first packet
	// of the business. Meta never does; it makes PeerFirst mean something.
	SendFirst bool
	// ReportEvery is the interval of RTCP sender reports, 5 s when 0.
	ReportEvery time.Duration
}

// Heard is what arrived at the handset. Its PeerFirst is true when the business
// sent the first media packet of the call.
type Heard = stream.Heard
