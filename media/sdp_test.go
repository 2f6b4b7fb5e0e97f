package media

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pion/sdp/v3"
	"github.com/stretchr/testify/require"
)

const digest = "75:85:02:48:2F:A1:97:65:81:65:4C:B3:2D:13:72:84:8F:D4:BE:31:6E:A0:71:34:52:C3:7A:28:76:43:C6:71"

// metaOffer is an offer of Meta's as its pages and live traces show it, with
// documentation addresses.
const metaOffer = "v=0\r\no=- 1790963543407 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE audio\r\n" +
	"a=msid-semantic: WMS 7da83f2b\r\na=ice-lite\r\n" +
	"m=audio 3480 UDP/TLS/RTP/SAVPF 111 126\r\nc=IN IP4 198.51.100.49\r\na=rtcp:9 IN IP4 0.0.0.0\r\n" +
	"a=candidate:2275956755 1 udp 2122260223 198.51.100.49 3480 typ host generation 0 network-cost 50\r\n" +
	"a=candidate:2684782176 1 udp 2122262783 2001:db8::699c 3480 typ host generation 0 network-cost 50\r\n" +
	"a=ice-ufrag:NvPeRHRlBReaRYCZ\r\na=ice-pwd:+219v9nKr3xSQIn8s+Fy8g==\r\n" +
	"a=fingerprint:sha-256 " + digest + "\r\na=setup:actpass\r\na=mid:audio\r\na=sendrecv\r\n" +
	"a=msid:7da83f2b WhatsAppTrack1\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\n" +
	"a=fmtp:111 maxaveragebitrate=20000;maxplaybackrate=16000;minptime=20;sprop-maxcapturerate=16000;useinbandfec=1\r\n" +
	"a=rtpmap:126 telephone-event/8000\r\na=maxptime:20\r\na=ptime:20\r\n" +
	"a=ssrc:613016344 cname:WhatsAppAudioStream1\r\n"

var public = netip.MustParseAddr("203.0.113.7") // a constant address

func webStream(t *testing.T, codecs ...Codec) *WebRTCStream {
	t.Helper()
	ports, err := NewPorts(PortsConfig{Bind: loopback, Public: public})
	require.NoError(t, err)
	s, err := NewWebRTCStream(StreamConfig{Ports: ports, Codecs: codecs})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()); require.Zero(t, ports.Open()) })

	return s
}

func rtpStream(t *testing.T, codecs ...Codec) *RTPStream {
	t.Helper()
	ports, err := NewPorts(PortsConfig{Bind: loopback, Public: public})
	require.NoError(t, err)
	s, err := NewRTPStream(StreamConfig{Ports: ports, Codecs: codecs})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()); require.Zero(t, ports.Open()) })

	return s
}

// lines parses a description of ours and returns its audio section's attributes.
func lines(t *testing.T, text string) (*sdp.SessionDescription, map[string][]string) {
	t.Helper()
	var s sdp.SessionDescription
	require.NoError(t, s.UnmarshalString(text))
	require.Len(t, s.MediaDescriptions, 1)
	attributes := map[string][]string{}
	for _, a := range s.MediaDescriptions[0].Attributes {
		attributes[a.Key] = append(attributes[a.Key], a.Value)
	}

	return &s, attributes
}

func TestWebRTCOfferIsWhatMetaAccepts(t *testing.T) {
	t.Parallel()
	s := webStream(t, Opus, PCMU, PCMA)
	offer, err := s.Offer()
	require.NoError(t, err)
	session, a := lines(t, offer)
	m := session.MediaDescriptions[0].MediaName
	require.Equal(t, "UDP/TLS/RTP/SAVPF", strings.Join(m.Protos, "/"))
	require.Equal(t, []string{"111", "0", "8", "126"}, m.Formats)
	require.Equal(t, int(s.sock.public.Port()), m.Port.Value)
	require.Len(t, a["fingerprint"], 1)
	require.Regexp(t, `^sha-256 ([0-9A-F]{2}:){31}[0-9A-F]{2}$`, a["fingerprint"][0])
	require.Equal(t, []string{"actpass"}, a["setup"])
	require.Len(t, a["candidate"], 1)
	require.Contains(t, a["candidate"][0], fmt.Sprintf("203.0.113.7 %d typ host", s.sock.public.Port()))
	require.Len(t, a["ssrc"], 1)
	require.Equal(t, []string{"20"}, a["ptime"])
	require.Equal(t, []string{"20"}, a["maxptime"])
	require.Contains(t, a["rtpmap"], "126 telephone-event/8000")
	require.Contains(t, a["fmtp"][0], "useinbandfec=1")
	for _, flag := range []string{"rtcp-mux", "sendrecv", "mid"} {
		require.Contains(t, a, flag)
	}
	group, _ := session.Attribute("group")
	require.Equal(t, "BUNDLE "+a["mid"][0], group)
	require.NotContains(t, offer, "127.0.0.1")
	_, lite := session.Attribute("ice-lite")
	require.False(t, lite)
	again, err := s.Offer()
	require.NoError(t, err)
	require.Equal(t, offer, again)
}

func TestWebRTCAnswerMirrorsMetasOffer(t *testing.T) {
	t.Parallel()
	s := webStream(t, PCMU, Opus)
	answer, err := s.Answer(metaOffer)
	require.NoError(t, err)
	require.Equal(t, Opus, s.Codec())
	session, a := lines(t, answer)
	require.Equal(t, []string{"111", "126"}, session.MediaDescriptions[0].MediaName.Formats)
	require.Equal(t, []string{"active"}, a["setup"])
	require.Equal(t, []string{"audio"}, a["mid"])
	require.Contains(t, a, "sendrecv")
	again, err := s.Answer(strings.ReplaceAll(metaOffer, "3480", "3482"))
	require.NoError(t, err)
	require.Equal(t, answer, again, "accept repeats pre_accept")
	require.True(t, s.dtlsClient)
	require.True(t, s.peer.lite)
	require.Len(t, s.peer.candidates, 1, "our family only")
}

func TestWebRTCDescriptionsThatAreRefused(t *testing.T) {
	t.Parallel()
	replace := func(old, with string) string {
		if !strings.Contains(metaOffer, old) {
			return "test is wrong"
		}

		return strings.ReplaceAll(metaOffer, old, with)
	}
	fingerprintLine := "a=fingerprint:sha-256 " + digest + "\r\n"
	candidate := "198.51.100.49 3480 typ"
	for name, text := range map[string]string{
		"empty":                    "",
		"no fingerprint":           replace(fingerprintLine, ""),
		"sha-1":                    replace(fingerprintLine, "a=fingerprint:sha-1 "+digest[:59]+"\r\n"),
		"short fingerprint":        replace(digest, digest[:59]),
		"two algorithms":           replace(fingerprintLine, fingerprintLine+"a=fingerprint:sha-512 "+digest+":"+digest+"\r\n"),
		"two certificates":         replace(fingerprintLine, fingerprintLine+strings.Replace(fingerprintLine, "75", "76", 1)),
		"no candidates":            strings.ReplaceAll(replace("a=candidate:2275956755", "a=x:1"), "a=candidate:2684782176", "a=y:1"),
		"loopback candidate":       replace(candidate, "127.0.0.1 3480 typ"),
		"metadata candidate":       replace(candidate, "169.254.169.254 80 typ"),
		"multicast candidate":      replace(candidate, "224.0.0.251 5353 typ"),
		"private candidate":        replace(candidate, "10.0.0.5 5060 typ"),
		"broadcast candidate":      replace(candidate, "255.255.255.255 5060 typ"),
		"candidate by name":        replace(candidate, "8f2c.local 3480 typ"),
		"no ufrag":                 replace("a=ice-ufrag:NvPeRHRlBReaRYCZ\r\n", ""),
		"short password":           replace("+219v9nKr3xSQIn8s+Fy8g==", "short"),
		"plain RTP":                replace("UDP/TLS/RTP/SAVPF", "RTP/AVP"),
		"unknown setup":            replace("setup:actpass", "setup:holdconn"),
		"NUL":                      replace("WhatsAppTrack1", "Whats\x00App"),
		"bare CR":                  replace("WhatsAppTrack1", "Whats\rApp"),
		"many ports":               replace("m=audio 3480 ", "m=audio 9/65535 "),
		"negative port":            replace("m=audio 3480 ", "m=audio -1 "),
		"port too high":            replace("m=audio 3480 ", "m=audio 65536 "),
		"refused line":             replace("m=audio 3480 ", "m=audio 0 "),
		"payload type 128":         replace("SAVPF 111 126", "SAVPF 111 128"),
		"payload type not numeric": replace("SAVPF 111 126", "SAVPF 111 x"),
		"32 kB of attributes":      metaOffer + strings.Repeat("a=x\r\n", 7000),
		"one long line":            metaOffer + "a=" + strings.Repeat("x", 1<<20),
		"10,000 media lines":       metaOffer + strings.Repeat("m=audio 1 RTP/AVP 0\r\n", 10000),
		"9 media lines":            metaOffer + strings.Repeat("m=audio 0 RTP/AVP 0\r\n", 8),
		"500 candidates": metaOffer + strings.Repeat(
			"a=candidate:1 1 udp 1 198.51.100.9 9 typ host\r\n", 500),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := webStream(t, Opus).Answer(text)
			require.ErrorIs(t, err, ErrSDP)
			require.NotContains(t, err.Error(), "198.51.100", "errors are logged: no addresses")
		})
	}
	_, err := webStream(t, PCMU).Answer(metaOffer)
	require.ErrorIs(t, err, ErrNoCommonCodec)
}

func TestAnswersToOurOffer(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, old, with string
		client          bool
		err             error
	}{
		{name: "active", old: "actpass", with: "active"},
		{name: "passive", old: "actpass", with: "passive", client: true},
		{name: "actpass", old: "actpass", with: "actpass", err: ErrSDP},
		{name: "no setup", old: "a=setup:actpass\r\n", with: "", err: ErrSDP},
		{name: "no codec of ours", old: "111", with: "112", err: nil},
		{name: "more media lines", old: "a=ssrc", with: "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=ssrc", err: ErrSDP},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := webStream(t, Opus)
			require.ErrorIs(t, s.SetAnswer(metaOffer), ErrNegotiation)
			_, err := s.Offer()
			require.NoError(t, err)
			answer := strings.ReplaceAll(metaOffer, tc.old, tc.with)
			answer = strings.ReplaceAll(answer, "setup:actpass", map[bool]string{true: "setup:actpass", false: "setup:active"}[tc.with == "actpass"])
			err = s.SetAnswer(answer)
			if tc.err != nil {
				require.ErrorIs(t, err, tc.err)
				require.Empty(t, s.Codec())

				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.client, s.dtlsClient)
			require.Equal(t, Opus, s.Codec())
		})
	}
}

// TestOtherMediaIsRefused: as many media lines as the offer (RFC 3264 section 6).
func TestOtherMediaIsRefused(t *testing.T) {
	t.Parallel()
	s := webStream(t, Opus)
	answer, err := s.Answer(metaOffer + "m=video 3480 UDP/TLS/RTP/SAVPF 96\r\na=rtpmap:96 VP8/90000\r\n")
	require.NoError(t, err)
	require.Equal(t, 2, strings.Count(answer, "m="))
	require.Contains(t, answer, "m=video 0 UDP/TLS/RTP/SAVPF 96\r\n")
}

func TestWhichCandidatesMayBeProbed(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		addr, ours string
		want       bool
	}{
		{"198.51.100.1", "203.0.113.7", true},
		{"10.1.2.3", "203.0.113.7", false},
		{"10.1.2.3", "192.168.1.1", true},
		{"127.0.0.1", "203.0.113.7", false},
		{"127.0.0.1", "192.168.1.1", false},
		{"127.0.0.1", "127.0.0.1", true},
		{"169.254.169.254", "192.168.1.1", false},
		{"224.0.0.1", "127.0.0.1", false},
		{"0.0.0.0", "127.0.0.1", false},
		{"fe80::1", "2001:db8::1", false},
		{"fd00::1", "2001:db8::1", false},
		{"2001:db8::2", "2001:db8::1", true},
		{"::1", "2001:db8::1", false},
	} {
		require.Equal(t, tc.want, mayProbe(netip.MustParseAddr(tc.addr), netip.MustParseAddr(tc.ours)), tc)
	}
}

const pbxOffer = "v=0\r\no=pbx 1 1 IN IP4 192.0.2.9\r\ns=call\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n" +
	"m=audio 4000 RTP/AVP 8 0 96 97\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:97 telephone-event/8000\r\na=ptime:20\r\n"

func TestRTPOfferIsSmallAndOrdered(t *testing.T) {
	t.Parallel()
	s := rtpStream(t, PCMU, Opus, PCMA)
	offer, err := s.Offer()
	require.NoError(t, err)
	require.Less(t, len(offer), 300, "an INVITE with it must fit a datagram")
	session, a := lines(t, offer)
	require.Equal(t, []string{"0", "111", "8", "101"}, session.MediaDescriptions[0].MediaName.Formats)
	require.Equal(t, "RTP/AVP", strings.Join(session.MediaDescriptions[0].MediaName.Protos, "/"))
	require.Contains(t, a["rtpmap"], "101 telephone-event/8000")
	require.Equal(t, []string{"20"}, a["ptime"])

	require.NoError(t, s.SetAnswer(pbxOffer))
	require.Equal(t, PCMA, s.Codec(), "the answerer's order counts")
	require.Equal(t, netip.MustParseAddrPort("192.0.2.9:4000"), s.route.Load().remote)
	require.EqualValues(t, 97, s.route.Load().sendEvent)
	require.EqualValues(t, 101, s.route.Load().recvEvent)
	wait(t, "ready", s.Ready())
}

func TestRTPAnswerTakesOurPreference(t *testing.T) {
	t.Parallel()
	s := rtpStream(t, Opus, PCMU)
	answer, err := s.Answer(pbxOffer)
	require.NoError(t, err)
	require.Equal(t, Opus, s.Codec())
	session, a := lines(t, answer)
	require.Equal(t, []string{"96", "97"}, session.MediaDescriptions[0].MediaName.Formats)
	require.Contains(t, a["rtpmap"], "96 opus/48000/2")
	again, err := s.Answer(pbxOffer)
	require.NoError(t, err)
	require.Equal(t, answer, again)
}

func TestHoldIsAnsweredAndStopsOurPackets(t *testing.T) {
	t.Parallel()
	s := rtpStream(t, PCMU)
	first, err := s.Answer(pbxOffer)
	require.NoError(t, err)
	held, err := s.Answer(pbxOffer + "a=sendonly\r\n")
	require.NoError(t, err)
	require.Contains(t, held, "a=recvonly\r\n")
	require.NotEqual(t, strings.SplitN(first, "\r\n", 3)[1], strings.SplitN(held, "\r\n", 3)[1], "a changed answer has a new version")
	require.False(t, s.route.Load().receives)
	_, err = s.Answer(strings.ReplaceAll(pbxOffer, "c=IN IP4 192.0.2.9", "c=IN IP4 0.0.0.0"))
	require.NoError(t, err)
	require.False(t, s.route.Load().remote.IsValid())
}

func TestRTPDescriptionsThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"no connection line": strings.ReplaceAll(pbxOffer, "c=IN IP4 192.0.2.9\r\n", ""),
		"a host name":        strings.ReplaceAll(pbxOffer, "c=IN IP4 192.0.2.9", "c=IN IP4 pbx.example.com"),
		"multicast":          strings.ReplaceAll(pbxOffer, "c=IN IP4 192.0.2.9", "c=IN IP4 224.2.1.1/127"),
		"SRTP":               strings.ReplaceAll(pbxOffer, "RTP/AVP", "RTP/SAVP"),
		"no audio":           strings.ReplaceAll(pbxOffer, "m=audio", "m=video"),
		"not SDP":            "hello",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := rtpStream(t, PCMU).Answer(text)
			require.ErrorIs(t, err, ErrSDP)
		})
	}
	_, err := rtpStream(t, PCMU).Answer(strings.ReplaceAll(pbxOffer, "8 0 96 97", "9 18"))
	require.ErrorIs(t, err, ErrNoCommonCodec)
}

func FuzzParseSDP(f *testing.F) {
	f.Add(metaOffer)
	f.Add(pbxOffer)
	f.Add(strings.ReplaceAll(metaOffer, "\r\n", "\n"))
	f.Add("v=0\r\nm=audio 1/2 RTP/AVP 0 1 2 3")
	f.Fuzz(func(t *testing.T, text string) {
		if d, err := describeWebRTC(text, public); err == nil {
			require.NotEmpty(t, d.candidates)
			require.Less(t, d.audio, len(d.refused))
			for _, c := range d.candidates {
				require.True(t, mayProbe(netip.MustParseAddr(c.Address()), public))
			}
		} else {
			require.ErrorIs(t, err, ErrSDP)
		}
		if d, err := describeRTP(text); err == nil {
			require.False(t, d.remote.Addr().IsMulticast())
		} else {
			require.ErrorIs(t, err, ErrSDP)
		}
	})
}

// TestLargestDescriptionsParseQuickly guards the published bound of 5 ms against
// anything that grows faster than the text: they take 1 ms, and the test allows for
// the race detector on a busy machine.
func TestLargestDescriptionsParseQuickly(t *testing.T) {
	fill := func(line string) string {
		return metaOffer + strings.Repeat(line, (MaxSDP-len(metaOffer))/len(line))
	}
	for name, text := range map[string]string{
		"attributes":   fill("a=\r\n"),
		"fingerprints": fill("a=fingerprint:sha-256 " + digest + "\r\n"),
		"rtpmap":       fill("a=rtpmap:111 opus/48000/2\r\n"),
		"crypto":       fill("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x\r\n"),
		"setup":        fill("a=setup:active\r\n"),
		"one line":     metaOffer + "a=" + strings.Repeat("x ", (MaxSDP-len(metaOffer)-4)/2) + "\r\n",
		"formats":      strings.Replace(metaOffer, "111 126", "111"+strings.Repeat(" 1", 15000), 1),
		"candidate": strings.Replace(metaOffer, "network-cost 50",
			"network-cost 50"+strings.Repeat(" x y", 7000), 1),
	} {
		require.LessOrEqual(t, len(text), MaxSDP, name)
		least := time.Hour
		for range 10 {
			begin := time.Now()
			_, _ = describeWebRTC(text, public)
			least = min(least, time.Since(begin))
		}
		require.Less(t, least, 100*time.Millisecond, name)
		t.Log(name, least)
	}
}
