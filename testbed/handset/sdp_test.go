package handset_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/testbed/handset"
)

// offered is an SDP as a full-ICE business writes it.
const offered = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n" +
	"m=audio 9 UDP/TLS/RTP/SAVPF 96 0 8 101\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\n" +
	"a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\n" +
	"a=fingerprint:sha-256 75:85:02:48:2F:A1:97:65:81:65:4C:B3:2D:13:72:84:8F:D4:BE:31:6E:A0:71:34:52:C3:7A:28:76:43:C6:71\r\n" +
	"a=setup:actpass\r\na=sendrecv\r\na=rtcp-mux\r\n" +
	"a=rtpmap:96 opus/48000/2\r\na=rtpmap:101 telephone-event/8000\r\na=ssrc:7 cname:a\r\na=ssrc:7 msid:a b\r\n"

func newHandset(t *testing.T, b handset.Behaviour) *handset.Handset {
	t.Helper()
	h, err := handset.New("127.0.0.1", b)
	require.NoError(t, err)
	t.Cleanup(func() { _ = h.Close() })
	return h
}

// The lines are those of Meta's live offer, in its order; what differs from call
// to call is matched by its shape.
func TestOfferLooksLikeMetas(t *testing.T) {
	offer, err := newHandset(t, handset.Behaviour{}).Offer()
	require.NoError(t, err)
	shape := []string{
		`v=0`, `o=- \d{13} 2 IN IP4 127\.0\.0\.1`, `s=-`, `t=0 0`, `a=group:BUNDLE audio`,
		`a=msid-semantic: WMS \S+`, `a=ice-lite`, `m=audio \d+ UDP/TLS/RTP/SAVPF 111 126`,
		`c=IN IP4 127\.0\.0\.1`, `a=rtcp:9 IN IP4 0\.0\.0\.0`,
		`a=candidate:\d+ 1 udp \d+ 127\.0\.0\.1 \d+ typ host generation 0 network-cost 50`,
		`a=ice-ufrag:\S{16}`, `a=ice-pwd:\S{24}`, `a=fingerprint:sha-256 ([0-9A-F]{2}:){31}[0-9A-F]{2}`,
		`a=setup:actpass`, `a=mid:audio`, `a=sendrecv`, `a=msid:\S+ WhatsAppTrack1`, `a=rtcp-mux`,
		`a=rtpmap:111 opus/48000/2`, `a=rtcp-fb:111 transport-cc`,
		`a=fmtp:111 maxaveragebitrate=20000;maxplaybackrate=16000;minptime=20;sprop-maxcapturerate=16000;useinbandfec=1`,
		`a=rtpmap:126 telephone-event/8000`, `a=maxptime:20`, `a=ptime:20`, `a=ssrc:\d+ cname:WhatsAppAudioStream1`,
	}
	require.Regexp(t, "^"+strings.Join(shape, "\r\n")+"\r\n$", offer)
}

func TestAnswerMirrorsTheOffer(t *testing.T) {
	cases := []struct {
		name      string
		behaviour handset.Behaviour
		offer     string
		want      []string
	}{
		{"opus", handset.Behaviour{}, offered, []string{"SAVPF 96 101", "a=rtpmap:96 opus/48000/2", "a=rtpmap:101 telephone-event/8000", "a=mid:0", "a=group:BUNDLE 0", "a=setup:active"}},
		{"in the handset's order", handset.Behaviour{Codecs: []string{"pcma", "opus"}}, offered, []string{"SAVPF 8 96 101", "a=rtpmap:8 PCMA/8000"}},
		{"passive", handset.Behaviour{Passive: true}, offered, []string{"a=setup:passive"}},
		{"active business", handset.Behaviour{}, strings.Replace(offered, "actpass", "active", 1), []string{"a=setup:passive"}},
		{"no event in the offer", handset.Behaviour{}, strings.Replace(strings.Replace(offered, "a=rtpmap:101 telephone-event/8000\r\n", "", 1), " 101\r\n", "\r\n", 1), []string{"SAVPF 96 126"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			answer, err := newHandset(t, c.behaviour).Answer(c.offer)
			require.NoError(t, err)
			for _, line := range append(c.want, "a=ice-lite", "a=sendrecv") {
				require.Contains(t, answer, line+"\r\n")
			}
			require.Equal(t, 1, strings.Count(answer, "a=fingerprint:"))
			require.Equal(t, 1, strings.Count(answer, "a=ssrc:"))
		})
	}
}

func TestWhatMetaRefuses(t *testing.T) {
	const fingerprint = "a=fingerprint:sha-256 75:85:02:48:2F:A1:97:65:81:65:4C:B3:2D:13:72:84:8F:D4:BE:31:6E:A0:71:34:52:C3:7A:28:76:43:C6:71\r\n"
	const invalid = "SDP Validation error - Provided SDP is invalid"
	cases := []struct{ name, old, text, details string }{
		{"no fingerprint", fingerprint, "", "No fingerprint found in SDP"},
		{"two fingerprints", fingerprint, fingerprint + fingerprint, invalid},
		{"sha-384 too", fingerprint, fingerprint + "a=fingerprint:sha-384 00\r\n", "Fingerprint algo is not SHA256"},
		{"sha-1", "sha-256", "sha-1", "Fingerprint algo is not SHA256"},
		{"upper-case token", "sha-256", "SHA-256", "Fingerprint algo is not SHA256"},
		{"short fingerprint", ":C6:71\r\n", "\r\n", invalid},
		{"recvonly", "a=sendrecv", "a=recvonly", invalid},
		{"no direction", "a=sendrecv\r\n", "", invalid},
		{"two sources", "a=ssrc:7 msid", "a=ssrc:8 msid", invalid},
		{"no setup", "a=setup:actpass\r\n", "", invalid},
		{"holdconn", "actpass", "holdconn", invalid},
		{"no rtcp-mux", "a=rtcp-mux\r\n", "", invalid},
		{"no password", "a=ice-pwd:abcdefghijklmnopqrstuvwx\r\n", "", invalid},
		{"ice-lite", "a=sendrecv", "a=ice-lite\r\na=sendrecv", invalid},
		{"plain RTP", "UDP/TLS/RTP/SAVPF", "RTP/AVP", invalid},
		{"video", "m=audio", "m=video", invalid},
		{"port 0", "m=audio 9", "m=audio 0", invalid},
		{"no codec in common", "opus/48000", "speex/16000", invalid},
		{"payload type 300", "SAVPF 96", "SAVPF 300 96", invalid},
		{"no SDP", "v=0", "hello", invalid},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			bad := strings.Replace(offered, c.old, c.text, 1)
			require.NotEqual(t, offered, bad)
			_, err := newHandset(t, handset.Behaviour{}).Answer(bad)
			var refused *handset.SDPError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, c.details, refused.Details)
			require.NotEmpty(t, refused.Why)
		})
	}
}

func TestAnswersOfTheBusiness(t *testing.T) {
	answer := strings.NewReplacer("a=mid:0", "a=mid:audio", "BUNDLE 0", "BUNDLE audio", "actpass", "active",
		" 96 0 8 101", " 111 126", ":96 opus", ":111 opus", ":101 tele", ":126 tele").Replace(offered)
	h := newHandset(t, handset.Behaviour{})
	var refused *handset.SDPError
	require.ErrorAs(t, h.SetAnswer(strings.Replace(answer, "active", "actpass", 1)), &refused)
	require.ErrorAs(t, h.SetAnswer(strings.Replace(answer, "a=mid:audio", "a=mid:0", 1)), &refused)
	require.ErrorAs(t, h.SetAnswer(strings.ReplaceAll(answer, "111", "112")), &refused, "the payload types are the offer's")
	require.NoError(t, h.SetAnswer(answer))
	require.ErrorIs(t, h.SetAnswer(answer), handset.ErrDescribed)
	_, err := newHandset(t, handset.Behaviour{Codecs: []string{"g722"}}).Offer()
	require.ErrorIs(t, err, handset.ErrCodec)
	_, err = handset.New("localhost", handset.Behaviour{})
	require.Error(t, err)
}

func FuzzAnswer(f *testing.F) {
	f.Add(offered)
	f.Add(strings.Replace(offered, "sha-256 ", "sha-256", 1))
	f.Add("v=0\r\nm=audio 1 UDP/TLS/RTP/SAVPF\r\n")
	f.Fuzz(func(t *testing.T, sdp string) {
		h, err := handset.New("127.0.0.1", handset.Behaviour{})
		require.NoError(t, err)
		defer func() { require.NoError(t, h.Close()) }()
		answer, err := h.Answer(sdp)
		if err == nil {
			require.Contains(t, answer, "a=ice-lite\r\n")
		}
	})
}
