package compliance

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func entryOf(kind, payload string) packEntry {
	e := packEntry{Index: 7, Time: time.Date(2026, 11, 22, 18, 0, 0, 0, time.UTC), Kind: kind}
	if payload != "" {
		e.Payload = json.RawMessage(payload)
	}
	return e
}

func TestStoryIsReadable(t *testing.T) {
	for _, tc := range []struct{ kind, payload, want string }{
		{kindGranted, "", "  (erased)"},
		{kindGranted, `{"id":"g","auth":"hmac","expires":"2026-11-29T18:00:00Z","after":{"status":"temporary"}}`, "  expires=2026-11-29T18:00:00Z  then=temporary  auth=hmac  id=g"},
		{kindGranted, `{"id":"g","permanent":true,"auth":"operator","actor":"ann","approval":"A1"}`, "  expires=never  auth=operator  actor=ann  approval=A1  id=g"},
		{"permission.willing", `{"id":"w","auth":"bearer"}`, "  (tapped a button such as Allow calls; grants nothing)  auth=bearer  id=w"},
		{"permission.read_back", `{"id":"r","auth":"readback","provided":{"status":"no_permission"}}`, "  (the provider was asked what the person permits)  provider-says=no_permission  auth=readback  id=r"},
		{"permission.read_back", `{"provided":{"status":"temporary","expiresAt":"2026-11-29T18:00:00Z"}}`, "  (the provider was asked what the person permits)  provider-says=temporary  until=2026-11-29T18:00:00Z"},
		{"permission.expired", `{"ref":"g"}`, "  (a grant ended by its time)"},
		{"permission.expiring", `{"ref":"g"}`, "  (a grant is about to end)"},
		{"approval.proposed", `{"id":"A1","kind":"granted","proposedBy":"ann","reason":"by phone"}`, "  (a change that a second person has to approve)  change=granted  proposed-by=ann  reason=by phone  id=A1"},
		{"approval.approved", `{"id":"A1","kind":"granted","proposedBy":"ann","decidedBy":"bob"}`, "  (a second person approved the change)  change=granted  proposed-by=ann  decided-by=bob  id=A1"},
		{"approval.rejected", `{"kind":"granted"}`, "  (a second person rejected the change)  change=granted"},
		{kindDNCAdded, `{"id":"m/optout","reason":"opt-out words in a message","scope":"all","channels":"all","auth":"hmac"}`, "  reason=opt-out words in a message  scope=all  channels=all  auth=hmac  id=m/optout"},
		{kindStopped, `{"category":"marketing","auth":"hmac"}`, "  (no messages wanted; calls are not concerned)  category=marketing  auth=hmac"},
		{kindResumed, `{}`, "  (messages wanted again; calls are not concerned)"},
		{"message.received", `{"id":"m","text":"secret","review":true}`, "  review=a person should read it  id=m"},
		{"message.received", `{"id":"m","text":"secret","optOutWord":"en/stop"}`, "  words=en/stop  id=m"},
		{"message.delivery", `{"delivery":"failed","code":131026}`, "  (the provider's word on a message to the person)  delivery=failed  code=131026"},
		{"call.reported", `{"outcome":"connected","inbound":true,"callId":"c"}`, "  (the provider's word on how a call ended)  outcome=connected  direction=inbound  call=c"},
		{"subject.id_changed", `{"previous":"+6591234567","current":"+6597654321"}`, "  (the platform gave the person another address)"},
		{"subject.located", `{"zone":"Asia/Singapore","actor":"ann"}`, "  (the person's own time zone)  zone=Asia/Singapore  actor=ann"},
		{kindLate, `{"event":"x"}`, "  (the opt-out was not confirmed: too long ago)"},
		{kindRefused, `{"action":"start_call","allow":false,"reason":"quiet_hours","retryAfter":"2026-11-23T00:00:00Z"}`, "  action=start_call  allow=false  reason=quiet_hours  not-before=2026-11-23T00:00:00Z"},
		{kindRevoked, `{"reason":"a\nb\u001b[2J\u202ec"}`, "  reason=a b[2Jc"},
		{kindRevoked, `[]`, ""},
	} {
		require.Equal(t, tc.want, detail(entryOf(tc.kind, tc.payload)), tc.kind+" "+tc.payload)
	}
}

func TestStatementsAboutMessagesAndReach(t *testing.T) {
	const own, other = `{"business":"+6531234567"}`, `{"business":"+6531230000"}`
	var list []packEntry
	for i, e := range []struct{ kind, payload string }{
		{kindStopped, own},
		{kindRequested, own},
		{kindRequested, other},
		{kindResumed, `{"business":"+6531234567","category":"marketing"}`},
		{kindRequested, own},
		{kindResumed, own},
		{kindRequested, own},
		{kindStopped, `{"business":"+6531230000","category":"marketing"}`},
		{kindRequested, other},
		{kindResumed, `{"business":"+6531230000","category":"marketing"}`},
		{kindRequested, other},
		{kindDNCAdded, `{"scope":"brand","brand":"acme\u001b"}`},
		{kindDNCAdded, `{"scope":"purpose","brand":"acme","purpose":"sales"}`},
		{kindDNCAdded, `{"scope":"all"}`},
	} {
		entry := entryOf(e.kind, e.payload)
		entry.Index = int64(i)
		list = append(list, entry)
	}
	const when = "2026-11-22 18:00:00.000 UTC"
	const none = ". Dials after it, up to the export: none. Refused by the gate in that time: 0."
	require.Equal(t, []string{
		"Messages from +6531234567 stopped since entry 0, " + when + ". Requests for permission after it, up to entry 5 (message.resumed): 2.",
		`Messages of the category "marketing" from +6531230000 stopped since entry 7, ` + when +
			". Requests for permission after it, up to entry 9 (message.resumed): 1.",
		`On the do-not-call list of the brand "acme" since entry 11, ` + when + none,
		`On the do-not-call list of the brand "acme" for calls of the purpose "sales" since entry 12, ` + when + none,
		"On the do-not-call list since entry 13, " + when + none,
	}, statements(list))
}
