package pbx

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/testbed/stream"
)

func TestParseSDP(t *testing.T) {
	const head = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
	cases := []struct {
		name, sdp, address string
		codecs             []stream.Codec
		events             []uint8
	}{
		{
			"static types", head + "m=audio 4000 RTP/AVP 8 0\r\n", "192.0.2.1:4000",
			[]stream.Codec{{Name: "pcma", PayloadType: 8}, {Name: "pcmu"}},
			nil,
		},
		{
			"dynamic types and the media's own address",
			head + "m=audio 4000 RTP/AVP 107 101\r\nc=IN IP4 192.0.2.2\r\na=rtpmap:107 opus/48000/2\r\na=rtpmap:101 telephone-event/8000\r\n",
			"192.0.2.2:4000",
			[]stream.Codec{{Name: "opus", PayloadType: 107}},
			[]uint8{101},
		},
		{
			"after a refused video line", head + "m=video 0 RTP/AVP 96\r\nm=audio 5000 RTP/AVP 0\r\n", "192.0.2.1:5000",
			[]stream.Codec{{Name: "pcmu"}},
			nil,
		},
		{"encrypted", head + "m=audio 4000 RTP/SAVP 0\r\n", "", nil, nil},
		{"refused", head + "m=audio 0 RTP/AVP 0\r\n", "", nil, nil},
		{"a host name", "v=0\r\no=- 1 1 IN IP4 a\r\ns=-\r\nc=IN IP4 pbx.example\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n", "", nil, nil},
		{"no address", "v=0\r\no=- 1 1 IN IP4 a\r\ns=-\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n", "", nil, nil},
		{"payload type 200", head + "m=audio 4000 RTP/AVP 200\r\n", "", nil, nil},
		{"nothing", "", "", nil, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r, err := parseSDP([]byte(c.sdp))
			if c.address == "" {
				require.ErrorIs(t, err, ErrSDP)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.address, r.address.String())
			require.Equal(t, c.codecs, r.codecs)
			require.Equal(t, c.events, r.events)
		})
	}
}

func FuzzParseSDP(f *testing.F) {
	f.Add([]byte("v=0\r\no=- 1 1 IN IP4 a\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := parseSDP(body)
		if err != nil {
			return
		}
		require.True(t, r.address.IsValid())
		again, err := parseSDP(writeSDP(r.address, r.codecs, r.events))
		require.NoError(t, err)
		require.Equal(t, r, again)
	})
}
