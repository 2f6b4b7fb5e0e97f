package sipbridge

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/stretchr/testify/require"
)

func TestCausesAreOneTable(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range Causes() {
		require.False(t, seen[c.Word], c.Word)
		seen[c.Word] = true
		require.Contains(t, []string{byUser, byAgent, byCallctl, byProvider}, c.EndedBy)
		require.Contains(t, []string{noAnswer, busy, failed}, c.Disposition)
		require.Contains(t, []string{outcomeUnanswered, outcomeRejected, outcomeCancelled, outcomeFailed, outcomeRefused}, c.Outcome)
		require.True(t, c.SIP >= 400 && c.SIP < 700, c.Word)
		require.True(t, c.Q850 > 0 && c.Q850 < 128, c.Word)
		require.NotEmpty(t, statusText(c.SIP))
	}
	for status := 300; status < 700; status++ {
		require.True(t, seen[causeOfStatus(status).Word])
	}
	require.Equal(t, CauseInternal, causeOf("no such word").Word)
}

// TestWhatAPBXsRefusalMeans: RFC 3261 section 21, in the words of a CDR.
func TestWhatAPBXsRefusalMeans(t *testing.T) {
	for _, c := range []struct {
		status                     int
		word, disposition, attempt string
	}{
		{302, CauseAgentRejected, busy, outcomeCancelled},
		{401, CauseTrunkAuth, failed, outcomeFailed},
		{403, CauseAgentRejected, busy, outcomeCancelled},
		{404, CauseAgentUnknown, failed, outcomeFailed},
		{408, CauseTrunkUnreachable, failed, outcomeFailed},
		{480, CauseAgentNoAnswer, noAnswer, outcomeCancelled},
		{486, CauseAgentBusy, busy, outcomeCancelled},
		{487, CauseAgentNoAnswer, noAnswer, outcomeCancelled},
		{488, CauseMediaMismatch, failed, outcomeFailed},
		{500, CauseTrunkUnreachable, failed, outcomeFailed},
		{503, CauseTrunkUnreachable, failed, outcomeFailed},
		{600, CauseAgentBusy, busy, outcomeCancelled},
		{603, CauseAgentRejected, busy, outcomeCancelled},
		{604, CauseAgentUnknown, failed, outcomeFailed},
	} {
		got := causeOfStatus(c.status)
		require.Equal(t, c.word, got.Word, c.status)
		require.Equal(t, c.disposition, got.Disposition, c.status)
		require.Equal(t, c.attempt, got.Outcome, c.status)
	}
}

func TestWireNeverReachesTheLog(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(redactor{next: slog.NewTextHandler(&out, nil)}).With("caller", "Transport<UDP>", "data", "+6591234567")
	log.Error("failed to parse", "data", "INVITE sip:+6591234567@x", "error", errors.New("at INVITE sip:+6591234567@x"), "network", "udp")
	require.NotContains(t, out.String(), "6591234567")
	require.Contains(t, out.String(), "failed to parse")
	require.Contains(t, out.String(), "level=WARN")
}

func TestTombstonesAreBounded(t *testing.T) {
	now := time.Unix(0, 0)
	m := newTombstones(func() time.Time { return now })
	for range 100 {
		m.hold(Event{Wacid: "a", Kind: CarrierRinging})
	}
	require.Len(t, m.claim("a"), maxEarly)
	require.Empty(t, m.claim("a"))
	for i := range maxMarks + 100 {
		m.bury(strings.Repeat("x", i%50) + time.Unix(int64(i), 0).String())
	}
	require.LessOrEqual(t, len(m.marks), maxMarks)
	m.bury("b")
	require.True(t, m.peek("b").ended)
	now = now.Add(markLife)
	require.Nil(t, m.peek("b"))
	require.Empty(t, m.marks)
}

func TestRoutesOfADialog(t *testing.T) {
	a := &userAgent{trunk: peerTrunk{transport: "UDP"}, contact: sip.Uri{Scheme: "sip", Host: "127.0.0.1", Port: 5060}}
	uri := func(s string) sip.Uri {
		var u sip.Uri
		require.NoError(t, sip.ParseUri(s, &u))
		return u
	}
	d := &dialog{target: uri("sip:1001@10.0.0.9:5070"), routes: []sip.Uri{uri("sip:10.0.0.1;lr"), uri("sip:10.0.0.2;lr")}}
	req := a.inDialog(d, sip.BYE, 2)
	require.Equal(t, "sip:1001@10.0.0.9:5070", req.Recipient.String())
	require.Len(t, req.GetHeaders("Route"), 2)
	require.Equal(t, "10.0.0.1:5060", req.Destination())

	d.routes[0] = uri("sip:10.0.0.1") // a strict router
	req = a.inDialog(d, sip.BYE, 3)
	require.Equal(t, "sip:10.0.0.1", req.Recipient.String())
	routes := req.GetHeaders("Route")
	require.Len(t, routes, 2)
	require.Contains(t, routes[1].Value(), "1001@10.0.0.9:5070")
	require.Equal(t, "10.0.0.1:5060", req.Destination())
}

func TestWhereMediaGoes(t *testing.T) {
	const before = "v=0\r\nc=IN IP4 10.0.0.1\r\nm=audio 4000 RTP/AVP 0\r\n"
	require.True(t, sameMedia(before, "v=0\r\nm=audio 4000 RTP/AVP 0\r\nc=IN IP4 10.0.0.1\r\na=sendonly\r\n"))
	require.True(t, sameMedia(before, "v=0\r\nc=IN IP4 0.0.0.0\r\nm=audio 4000 RTP/AVP 0\r\n"))
	require.False(t, sameMedia(before, "v=0\r\nc=IN IP4 10.0.0.2\r\nm=audio 4000 RTP/AVP 0\r\n"))
	require.False(t, sameMedia(before, "v=0\r\nc=IN IP4 10.0.0.1\r\nm=audio 4002 RTP/AVP 0\r\n"))
	require.False(t, sameMedia(before, "m="))
}
