package meta_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/provider"
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
			require.Equal(t, provider.Delivery{Calls: []sipbridge.Event{want}}, delivery)
		})
	}
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
		{end, `"event": "terminate"`, `"event": ""`, "event:unreadable"},
	} {
		delivery := decode(t, edit(t, tc.fixture, tc.old, tc.replacement))
		require.Empty(t, delivery.Calls, tc.replacement)
		require.Equal(t, []string{tc.unknown}, delivery.Unknown)
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

// Message statuses are known by name only, wherever a word is the same.
func TestDecodeMessageStatuses(t *testing.T) {
	for _, word := range []string{"sent", "delivered", "read", "failed", "accepted"} {
		raw := fmt.Sprintf(`{"object":"whatsapp_business_account","entry":[{"changes":[{"field":"messages","value":{
			"metadata":{"phone_number_id":%q},"statuses":[{"id":"wamid.X","status":%q,"timestamp":"1767168000",
			"recipient_id":"14085551234"}]}}]}]}`, numberID, word)
		require.Equal(t, provider.Delivery{Unknown: []string{"status:" + word}}, decode(t, []byte(raw)))
	}
}
