package sipbridge

// pbxLeg is the call's leg towards the PBX, placed by us or by the PBX. Its
// methods run on the call's goroutine.
type pbxLeg interface {
	// hangUp ends the leg from any state: CANCEL, BYE or a final response,
	// whichever is right. Calling it again changes nothing.
	hangUp(c Cause)
	// finished is true when nothing of the leg is left on the wire.
	finished() bool
	// sipCallID is the leg's Call-ID.
	sipCallID() string
}

// legEvents is what a leg tells its call, on the call's goroutine.
type legEvents interface {
	// legRinging: the PBX rings.
	legRinging()
	// legAnswered: the PBX answered our INVITE with this SDP.
	legAnswered(sdp string)
	// legFailed: the INVITE ended with a final error, or 0 for none at all.
	legFailed(status int)
	// legBye: the PBX ended an answered leg.
	legBye()
	// legCancelled: the calling PBX gave up before our answer.
	legCancelled()
	// legConfirmed: the calling PBX acknowledged our answer.
	legConfirmed()
	// legUnconfirmed: it never did.
	legUnconfirmed()
}

// legHost runs things for a leg: post to the call's goroutine (false when the
// call is gone), and spawn a goroutine that the call waits for.
type legHost interface {
	post(f func()) bool
	spawn(f func())
}
