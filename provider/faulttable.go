package provider

import "time"

const day = 24 * time.Hour

// Meta's rate limits of requests (Graph API, rate limits).
const (
	codeAppLimit     = 4
	codeCallLimit    = 613
	codeAccountLimit = 80007
	codeNumberLimit  = 130429
)

// Faults is the table of Meta's codes (Cloud API error codes; Cloud API Calling,
// error codes) that calls, requests and messages can meet. HTTP statuses vary
// between Meta's pages, so the code alone decides.
func Faults() []Fault {
	return []Fault{
		{codeAppLimit, FaultRetry, 0, "rate limit of the app"},
		{100, FaultRequest, 0, "invalid parameter or session description"},
		{190, FaultRequest, 0, "access token expired or invalid"},
		{codeCallLimit, FaultRetry, 0, "rate limit of the API"},
		{codeAccountLimit, FaultRetry, 0, "rate limit of the business account"},
		{codeNumberLimit, FaultRetry, 0, "throughput limit of the number"},
		{130472, FaultUser, day, "user is part of an experiment"},
		{131009, FaultRequest, 0, "parameter value not valid"},
		{131026, FaultUser, day, "undeliverable: no such user, old client or blocked"},
		{131030, FaultRequest, 0, "not on the test number's allow list"},
		{131031, FaultNumber, 0, "business account locked"},
		{131042, FaultNumber, 0, "payment method missing or refused"},
		{131044, FaultNumber, 0, "payment issue"},
		{131047, FaultUser, 0, "free-form message outside the customer service window"},
		{131048, FaultWait, day, "too many messages were blocked or marked as spam"},
		{131049, FaultWait, day, "held back for a healthy ecosystem"},
		{131050, FaultUser, 0, "user stopped marketing messages"},
		{131055, FaultRequest, 0, "Graph calling on a number with SIP"},
		{131056, FaultRetry, 0, "too many messages to this user"},
		{131062, FaultRequest, 0, "user id not allowed for this template"},
		{132000, FaultTemplate, 0, "wrong number of template parameters"},
		{132001, FaultTemplate, 0, "template does not exist in the language"},
		{132005, FaultTemplate, 0, "template with its parameters is too long"},
		{132007, FaultTemplate, 0, "template violates a policy"},
		{132012, FaultTemplate, 0, "template parameter has another format"},
		{132015, FaultTemplate, 0, "template is paused"},
		{132016, FaultTemplate, 0, "template is disabled"},
		{138000, FaultNumber, 0, "calling not enabled for the number"},
		{138001, FaultUser, day, "user cannot be called"},
		{138002, FaultRetry, 0, "too many calls at once"},
		{138003, FaultRequest, 0, "a call with the user is in progress"},
		{138004, FaultRetry, 0, "connection error"},
		{138005, FaultRetry, 0, "too many calls in a short time"},
		{138006, FaultAsk, 0, "no approved permission"},
		{138007, FaultRetry, 0, "connection timed out"},
		{138009, FaultWait, day, "limit of permission requests"},
		{138011, FaultUnknown, 0, "not documented"},
		{138012, FaultWait, day, "limit of connected calls a day"},
		{138013, FaultNumber, 0, "business calls not available for the number's country"},
		{138014, FaultNumber, 0, "calling disabled for low quality"},
		{138015, FaultNumber, 0, "messaging limit too low for calling"},
		{138017, FaultAsk, 0, "permanent permission exists already"},
		{138018, FaultRequest, 0, "neither calls webhook nor SIP is set up"},
		{138019, FaultRetry, 0, "call set-up failed"},
		{138020, FaultMedia, 0, "relay connection failed"},
		{138021, FaultMedia, 0, "no media received from the business"},
		{138022, FaultMedia, 0, "media timed out"},
		{138023, FaultMedia, 0, "accepted without media signals"},
	}
}

// ownFaults are a provider's codes that stand for none of Meta's (8x8, API error
// codes).
func ownFaults(provider string) []Fault {
	if provider != "8x8" {
		return nil
	}
	return []Fault{
		{1002, FaultUser, 0, "phone number not valid"},
		{1200, FaultRequest, 0, "not authorised"},
		{1300, FaultRequest, 0, "not found"},
	}
}

// MetaCode is Meta's code for a provider's (8x8, delivery receipt error codes); a
// code that stands for none of Meta's is returned as it is.
func MetaCode(provider string, code int) int {
	if provider != "8x8" {
		return code
	}
	switch code {
	case 1009:
		return 130429
	case 1018:
		return 131026
	case 1022:
		return 131047
	case 1024:
		return 131049
	case 1028:
		return 131056
	case 1051:
		return 131050
	case 1052:
		return 138017
	case 1053:
		return 138009
	case 1054:
		return 131062
	}
	return code
}
