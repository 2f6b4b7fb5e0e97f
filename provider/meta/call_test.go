package meta_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/sipbridge"
)

const sdp = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\n"

func TestDecodeCalls(t *testing.T) {
	at := time.Unix(1671644824, 0).UTC()
	offer := sipbridge.Event{
		Kind: sipbridge.CarrierConnect, Direction: sipbridge.UserInitiated, SDPType: "offer", SDP: sdp, At: at,
	}
	with := func(e sipbridge.Event, change func(*sipbridge.Event)) sipbridge.Event {
		change(&e)
		return e
	}
	status := func(kind sipbridge.EventKind) sipbridge.Event {
		return sipbridge.Event{
			Kind: kind, Direction: sipbridge.BusinessInitiated, At: at.Add(time.Second), Opaque: "call-1",
		}
	}
	ended := sipbridge.Event{
		Kind: sipbridge.CarrierTerminated, Direction: sipbridge.BusinessInitiated, At: at.Add(2 * time.Minute),
	}
	for name, want := range map[string]sipbridge.Event{
		"connect_user_initiated":    with(offer, func(e *sipbridge.Event) { e.Payload = "order-17" }),
		"connect_without_direction": with(offer, func(e *sipbridge.Event) { e.Payload = "link-1" }),
		"connect_swapped":           offer,
		"connect_bsuid":             with(offer, func(e *sipbridge.Event) { e.User = userBSUID }),
		"connect_business_initiated": with(offer, func(e *sipbridge.Event) {
			e.Direction, e.SDPType, e.Opaque = sipbridge.BusinessInitiated, "answer", "call-1"
		}),
		"status_ringing":       status(sipbridge.CarrierRinging),
		"status_accepted":      status(sipbridge.CarrierAccepted),
		"status_rejected":      status(sipbridge.CarrierRejected),
		"terminate_completed":  with(ended, func(e *sipbridge.Event) { e.Duration, e.Opaque = 2*time.Minute, "call-1" }),
		"terminate_strings":    with(ended, func(e *sipbridge.Event) { e.Duration = 2 * time.Minute }),
		"terminate_unanswered": ended,
		"terminate_failed": with(ended, func(e *sipbridge.Event) {
			e.Direction, e.Failed, e.Duration = sipbridge.UserInitiated, true, 20*time.Second
			e.Codes = []int{138021, 138022}
		}),
	} {
		t.Run(name, func(t *testing.T) {
			want.Account, want.Wacid = "acme", wacid
			if want.User == "" {
				want.User = user
			}
			delivery := decode(t, fixture(t, "calls/"+name+".json"))
			require.Equal(t, []sipbridge.Event{want}, delivery.Calls)
			require.Empty(t, delivery.Unknown)
			require.Equal(t, reported(name, want), delivery.Facts)
		})
	}
}

// reported is the fact that a sample of a call carries beside its event.
func reported(sample string, e sipbridge.Event) []permissions.Event {
	outcomes := map[string]permissions.Outcome{
		"status_accepted": permissions.OutcomeConnected, "status_rejected": permissions.OutcomeRejected,
		"terminate_completed": permissions.OutcomeConnected, "terminate_strings": permissions.OutcomeConnected,
		"terminate_unanswered": permissions.OutcomeUnanswered, "terminate_failed": permissions.OutcomeFailed,
	}
	outcome, ok := outcomes[sample]
	if !ok {
		return nil
	}
	fact := permissions.Event{
		ID: "meta/call/" + string(e.Kind) + "/" + wacid, Kind: permissions.Reported, At: e.At,
		Pair: permissions.Pair{Business: business, User: user}, Account: "acme", Auth: permissions.AuthHMAC,
		CallID: e.Opaque, Ref: wacid, Outcome: outcome, Inbound: e.Direction == sipbridge.UserInitiated,
	}
	if len(e.Codes) > 0 {
		fact.Code = e.Codes[0]
	}
	return []permissions.Event{fact}
}

// What a terminate says of a call depends on whether it was picked up and on whose
// call it was; what cannot be told is named and is no unanswered call.
func TestDecodeReports(t *testing.T) {
	const unanswered, failed = "calls/terminate_unanswered.json", "calls/terminate_failed.json"
	for _, tc := range []struct {
		fixture, old, replacement string
		outcome                   permissions.Outcome
		inbound                   bool
		code                      int
		unknown                   []string
	}{
		{unanswered, `"direction": "BUSINESS_INITIATED"`, `"direction": "USER_INITIATED"`, permissions.OutcomeUnanswered, true, 0, nil},
		{unanswered, `"direction": "BUSINESS_INITIATED",`, ``, "", false, 0, []string{"malformed:call.direction@0.0.calls.0"}},
		{unanswered, `"direction": "BUSINESS_INITIATED"`, `"biz_opaque_callback_data": "c"`, permissions.OutcomeUnanswered, false, 0, nil},
		{ // a user's call that we accepted carries what we accepted it with
			unanswered, `"to": "14085551234",
        "from": "15551441906",
        "event": "terminate",
        "direction": "BUSINESS_INITIATED"`, `"from": "14085551234", "to": "15551441906", "event": "terminate", "duration": 7,
        "biz_opaque_callback_data": "c"`, permissions.OutcomeConnected, true, 0, nil,
		},
		{unanswered, `"COMPLETED"`, `"CANCELLED"`, "", false, 0, []string{"status:cancelled@0.0.calls.0"}},
		{unanswered, `"to": "14085551234",`, ``, "", false, 0, []string{"malformed:call.user@0.0.calls.0"}},
		{unanswered, `"status": "COMPLETED"`, `"status": "COMPLETED", "start_time": "1671644940"`, permissions.OutcomeConnected, false, 0, nil},
		{unanswered, `"status": "COMPLETED"`, `"status": "FAILED"`, permissions.OutcomeFailed, false, 0, nil},
		{unanswered, `"status": "COMPLETED"`, `"errors": [{"code": 138006}]`, permissions.OutcomeRefused, false, 138006, nil},
		{failed, `"code": 138021`, `"code": 138006`, permissions.OutcomeRefused, true, 138006, nil},
	} {
		got := decode(t, edit(t, tc.fixture, tc.old, tc.replacement))
		require.Len(t, got.Calls, 1, "the bridge hears of it all the same")
		require.Equal(t, tc.unknown, got.Unknown)
		if tc.outcome == "" {
			require.Empty(t, got.Facts)
			continue
		}
		require.Len(t, got.Facts, 1)
		fact := got.Facts[0]
		require.Equal(t, tc.outcome, fact.Outcome, tc.replacement)
		require.Equal(t, tc.inbound, fact.Inbound)
		require.Equal(t, tc.code, fact.Code)
	}
}

// A failure that is our number's fault is a notice about the number.
func TestDecodeNumberFaults(t *testing.T) {
	got := decode(t, edit(t, "calls/terminate_failed.json", `"code": 138021`, `"code": "138014"`))
	require.Equal(t, []permissions.Notice{{
		ID: "meta/unable/138014/" + wacid, Kind: permissions.Unable, Business: business, Account: "acme",
		At: time.Unix(1671644944, 0).UTC(), Auth: permissions.AuthHMAC, Code: 138014, Type: "calling disabled for low quality",
	}}, got.Notices)
	require.Len(t, got.Facts, 1)

	got = decode(t, []byte(inMessages(`,"errors":[{"code":131044},{"code":130429}]`)))
	require.Len(t, got.Notices, 1)
	require.Equal(t, 131044, got.Notices[0].Code)
	require.Equal(t, []string{"error:130429@0.0"}, got.Unknown)
}

// The same error of our number said again later is said twice: the first may have
// been lifted since.
func TestDecodeNumberFaultsAgain(t *testing.T) {
	at := func(seconds string) permissions.Notice {
		raw := strings.Replace(inMessages(`,"errors":[{"code":131044}]`), `"entry":[{`, `"entry":[{"time":`+seconds+`,`, 1)
		got := decode(t, []byte(raw))
		require.Equal(t, got, decode(t, []byte(raw)), "a retry is the same")
		require.Len(t, got.Notices, 1)
		return got.Notices[0]
	}
	first, again := at("1767168000"), at("1767254400")
	require.NotEqual(t, first.ID, again.ID)
	require.Equal(t, time.Unix(1767168000, 0).UTC(), first.At)
}

func TestDecodeCallVariants(t *testing.T) {
	const offer, end = "calls/connect_user_initiated.json", "calls/terminate_completed.json"
	for _, tc := range []struct{ fixture, old, replacement, unknown string }{
		{offer, `"event": "connect"`, `"event": "call_recording_available"`, "event:call_recording_available"},
		{offer, `"event": "connect"`, `"event": "call_created"`, "event:call_created"},
		{offer, `"event": "connect"`, `"event": {}`, "event:unreadable"},
		{offer, `"timestamp": "1671644824"`, `"timestamp": "soon"`, "malformed:call.timestamp"},
		{offer, `"timestamp": "1671644824",`, ``, "malformed:call.timestamp"},
		{offer, `"session": {`, `"sessions": {`, "malformed:call.session"},
		{offer, `"id": "wacid`, `"ID_": "wacid`, "malformed:call.id"},
		{"calls/status_ringing.json", `"RINGING"`, `"HELD"`, "status:held"},
		{"calls/status_ringing.json", `"id": "wacid`, `"ID_": "wacid`, "malformed:status.id"},
		{"calls/status_ringing.json", `"type": "call"`, `"type": "message"`, "status:ringing"},
		{"calls/status_ringing.json", `"RINGING"`, `{}`, "status:unreadable"},
		{end, `"event": "terminate"`, `"event": ""`, "event:unreadable"},
	} {
		delivery := decode(t, edit(t, tc.fixture, tc.old, tc.replacement))
		require.Empty(t, delivery.Calls, tc.replacement)
		require.Equal(t, []string{tc.unknown}, unplaced(delivery.Unknown))
	}
	// A terminate is never lost to an unreadable time, and a status without type
	// in the calls field is a call's.
	require.Equal(t, arrival(), decode(t, edit(t, end, `"timestamp": "1671644944"`, `"timestamp": "soon"`)).Calls[0].At)
	require.Equal(t, 2*time.Minute, decode(t, edit(t, end, `"duration": 120`, `"duration": null`)).Calls[0].Duration)
	require.Zero(t, decode(t, edit(t, end, `"duration": 120`, `"duration": -5`)).Calls[0].Duration-2*time.Minute)
	require.Equal(t, sipbridge.CarrierRinging,
		decode(t, edit(t, "calls/status_ringing.json", `"type": "call",`, ``)).Calls[0].Kind)
	// Direction tells the user from a business number that is written otherwise.
	require.Equal(t, user, decode(t, edit(t, end, `"from": "15551441906"`, `"from": "17015558857"`)).Calls[0].User)
	require.Equal(t, user, decode(t, edit(t, offer, `"to": "15551441906"`, `"to": "17015558857"`)).Calls[0].User)
	require.Equal(t, user, decode(t, edit(t, offer, `"from": "14085551234"`, `"from": ""`)).Calls[0].User)
}
