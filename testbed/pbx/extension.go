package pbx

import "time"

// Extension says what an extension does when called.
type Extension struct {
	RingFor  time.Duration
	Then     string        // "answer" (also when empty), "busy", "decline", "ignore"
	HangUp   time.Duration // after answering, 0: never
	Codecs   []string      // accepted, in order: "opus", "pcmu", "pcma"; none: pcmu, pcma
	ToneHz   float64
	Payloads [][]byte // sent one every 20 ms as they are, when set; then it goes quiet
	Repeat   bool     // start Payloads again at their end
	// EarlyMedia makes the extension answer 183 with SDP and send its audio while
	// it rings.
	EarlyMedia bool
}

// Call is one call at the PBX, whichever side began it.
type Call struct {
	CallID    string // SIP Call-ID
	Extension string
	Outbound  bool              // the PBX called
	State     string            // ringing, answered, ended, cancelled, refused
	EndedBy   string            // pbx, peer
	Status    int               // the final SIP status of the INVITE, 0 before
	Reason    string            // the Reason header of the final response, CANCEL or BYE, from the peer
	Headers   map[string]string // of the INVITE that came in, by their canonical names; the first of each
	Codec     string
	Packets   int
	Lost      int
	Reordered int
	SSRCs     int
	Payloads  [][]byte // received, in order (bounded to the last 5,000)
	Begun     time.Time
	Answered  time.Time // zero until then
	Ended     time.Time // zero until then
}
