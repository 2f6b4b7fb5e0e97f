package sipbridge

// Cause is why a call ended: one line of the table below, used in the CDR, in
// SIP status and Reason headers, in the outcome of the attempt and in the API.
type Cause struct {
	// Word is the machine word: CDR.Cause.
	Word string
	// EndedBy is who ended the call: user, agent, callctl or provider.
	EndedBy string
	// Disposition is the CDR's when the call was never bridged: NO ANSWER, BUSY
	// or FAILED. A bridged call is always ANSWERED.
	Disposition string
	// Outcome is the attempt's when the user never answered: unanswered,
	// rejected, cancelled, failed or refused. An answered one is connected.
	Outcome string
	// SIP is the final response that a PBX caller hears.
	SIP int
	// Q850 is the cause in the Reason header of BYE and CANCEL (RFC 3326).
	Q850 int
	// Text is the Q.850 name of it.
	Text string
}

// Who ended a call.
const (
	byUser     = "user"
	byAgent    = "agent"
	byCallctl  = "callctl"
	byProvider = "provider"
)

// Dispositions, in the words of Asterisk's CDR.
const (
	answered = "ANSWERED"
	noAnswer = "NO ANSWER"
	busy     = "BUSY"
	failed   = "FAILED"
)

// Outcomes of an attempt.
const (
	outcomeConnected  = "connected"
	outcomeUnanswered = "unanswered"
	outcomeRejected   = "rejected"
	outcomeCancelled  = "cancelled"
	outcomeFailed     = "failed"
	outcomeRefused    = "refused"
)

// The machine words.
const (
	CauseUserHangup       = "user_hangup"        // the user ended an answered call
	CauseAgentHangup      = "agent_hangup"       // the PBX ended an answered call
	CauseUserRejected     = "user_rejected"      // the user declined
	CauseUserNoAnswer     = "user_no_answer"     // it rang out, or the user could not be reached
	CauseUserCancelled    = "user_cancelled"     // a calling user hung up before the agent answered
	CauseAgentCancelled   = "agent_cancelled"    // a calling agent hung up before the user answered
	CauseAgentNoAnswer    = "agent_no_answer"    // the PBX did not answer in time
	CauseAgentBusy        = "agent_busy"         // 486, 600
	CauseAgentRejected    = "agent_rejected"     // 403, 603 and other refusals
	CauseAgentUnknown     = "agent_unknown"      // 404, 410, 484, 604
	CauseTrunkUnreachable = "trunk_unreachable"  // no answer on the wire, 408, 5xx
	CauseTrunkAuth        = "trunk_auth_failed"  // 401, 407 after our credentials
	CauseMediaMismatch    = "media_incompatible" // no common codec, unusable SDP, 488, 606
	CauseMediaTimeout     = "media_timeout"      // ICE, DTLS or RTP did not come up or fell silent
	CauseMediaFailed      = "media_failed"       // ports, sockets, provider's media errors
	CauseCarrierRefused   = "carrier_refused"    // the provider says there is no permission
	CauseCarrierFailed    = "carrier_failed"     // the provider could not place or hold the call
	CauseCarrierLost      = "carrier_lost"       // the answer to connect was lost, and no event came
	CauseGateRefused      = "gate_refused"       // permission was withdrawn before the dial
	CauseStaleConnect     = "stale_connect"      // the connect event was too old to ring
	CauseHungUp           = "hung_up"            // through the API or an opt-out
	CauseShutdown         = "shutdown"           // callctl stopped
	CauseInternal         = "internal_error"     // a fault of callctl itself
)

// Q.850 names used in Reason headers.
const (
	textNormal       = "Normal call clearing"
	textBusy         = "User busy"
	textNoAnswer     = "No answer from user"
	textRejected     = "Call rejected"
	textUnallocated  = "Unallocated number"
	textOutOfOrder   = "Network out of order"
	textTemporary    = "Temporary failure"
	textIncompatible = "Incompatible destination"
	textTimer        = "Recovery on timer expiry"
	textNormalOther  = "Normal, unspecified"
)

// Causes is the whole table.
func Causes() []Cause {
	return []Cause{
		{CauseUserHangup, byUser, noAnswer, outcomeCancelled, 480, 16, textNormal},
		{CauseAgentHangup, byAgent, noAnswer, outcomeCancelled, 480, 16, textNormal},
		{CauseUserRejected, byUser, busy, outcomeRejected, 603, 21, textRejected},
		{CauseUserNoAnswer, byUser, noAnswer, outcomeUnanswered, 480, 19, textNoAnswer},
		{CauseUserCancelled, byUser, noAnswer, outcomeCancelled, 487, 16, textNormal},
		{CauseAgentCancelled, byAgent, noAnswer, outcomeCancelled, 487, 16, textNormal},
		{CauseAgentNoAnswer, byAgent, noAnswer, outcomeCancelled, 480, 19, textNoAnswer},
		{CauseAgentBusy, byAgent, busy, outcomeCancelled, 486, 17, textBusy},
		{CauseAgentRejected, byAgent, busy, outcomeCancelled, 603, 21, textRejected},
		{CauseAgentUnknown, byAgent, failed, outcomeFailed, 404, 1, textUnallocated},
		{CauseTrunkUnreachable, byCallctl, failed, outcomeFailed, 503, 38, textOutOfOrder},
		{CauseTrunkAuth, byAgent, failed, outcomeFailed, 503, 21, textRejected},
		{CauseMediaMismatch, byCallctl, failed, outcomeFailed, 488, 88, textIncompatible},
		{CauseMediaTimeout, byCallctl, failed, outcomeFailed, 503, 102, textTimer},
		{CauseMediaFailed, byCallctl, failed, outcomeFailed, 503, 41, textTemporary},
		{CauseCarrierRefused, byProvider, failed, outcomeRefused, 403, 21, textRejected},
		{CauseCarrierFailed, byProvider, failed, outcomeFailed, 503, 41, textTemporary},
		{CauseCarrierLost, byCallctl, failed, outcomeFailed, 503, 102, textTimer},
		{CauseGateRefused, byCallctl, failed, outcomeRefused, 403, 21, textRejected},
		{CauseStaleConnect, byCallctl, noAnswer, outcomeCancelled, 480, 102, textTimer},
		{CauseHungUp, byCallctl, noAnswer, outcomeCancelled, 480, 31, textNormalOther},
		{CauseShutdown, byCallctl, noAnswer, outcomeCancelled, 503, 41, textTemporary},
		{CauseInternal, byCallctl, failed, outcomeFailed, 500, 41, textTemporary},
	}
}

// causeOf is the line of the table for a word; an unknown word is an internal error.
func causeOf(word string) Cause {
	var fallback Cause
	for _, c := range Causes() {
		if c.Word == word {
			return c
		}
		if c.Word == CauseInternal {
			fallback = c
		}
	}
	return fallback
}

// causeOfStatus maps the PBX's final response to our INVITE.
func causeOfStatus(status int) Cause {
	switch status {
	case 486, 600:
		return causeOf(CauseAgentBusy)
	case 480, 487:
		return causeOf(CauseAgentNoAnswer)
	case 401, 407:
		return causeOf(CauseTrunkAuth)
	case 404, 410, 484, 604:
		return causeOf(CauseAgentUnknown)
	case 415, 488, 606:
		return causeOf(CauseMediaMismatch)
	case 408:
		return causeOf(CauseTrunkUnreachable)
	}
	if status >= 500 && status < 600 {
		return causeOf(CauseTrunkUnreachable)
	}
	return causeOf(CauseAgentRejected)
}

// causeOfCode maps a provider's error code (protocol: Meta error codes).
func causeOfCode(code int) Cause {
	switch code {
	case 138006:
		return causeOf(CauseCarrierRefused)
	case 138001, 138004, 138007, 131026:
		c := causeOf(CauseCarrierFailed)
		return c
	case 138020, 138021, 138022, 138023:
		c := causeOf(CauseMediaFailed)
		c.EndedBy = byProvider
		return c
	case 138009, 138012, 138013, 138014, 138015:
		c := causeOf(CauseCarrierFailed)
		c.SIP = 403
		return c
	default:
		return causeOf(CauseCarrierFailed)
	}
}
