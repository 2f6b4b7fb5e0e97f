package handset_test

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun/v4"
	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/testbed/handset"
)

// line is the value of an SDP line.
func line(sdp, name string) string {
	_, rest, _ := strings.Cut(sdp, "a="+name+":")
	value, _, _ := strings.Cut(rest, "\r\n")
	return value
}

func TestConnectivityChecks(t *testing.T) {
	h, err := handset.New("127.0.0.1", handset.Behaviour{})
	require.NoError(t, err)
	run(t, h)
	offer, err := h.Offer()
	require.NoError(t, err)
	username, password := line(offer, "ice-ufrag")+":peer", line(offer, "ice-pwd")
	conn, err := net.DialUDP("udp", nil, h.Addr().(*net.UDPAddr))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })

	role := func(attribute stun.AttrType) stun.Setter {
		return stun.RawAttribute{Type: attribute, Value: make([]byte, 8)}
	}
	const controlling, controlled = stun.AttrType(0x802a), stun.AttrType(0x8029)
	cases := []struct {
		name               string
		username, password string
		role               stun.AttrType
		want               stun.MessageType // zero: silence
	}{
		{"right", username, password, controlling, stun.BindingSuccess},
		{"controlled peer", username, password, controlled, stun.BindingError},
		{"wrong password", username, "wrong", controlling, stun.MessageType{}},
		{"wrong user", "nobody:peer", password, controlling, stun.MessageType{}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			request, err := stun.Build(stun.TransactionID, stun.BindingRequest, stun.NewUsername(c.username),
				role(c.role), stun.NewShortTermIntegrity(c.password), stun.Fingerprint)
			require.NoError(t, err)
			_, err = conn.Write(request.Raw)
			require.NoError(t, err)
			require.NoError(t, conn.SetReadDeadline(time.Now().Add(300*time.Millisecond)))
			buffer := make([]byte, 1500)
			n, err := conn.Read(buffer)
			if c.want == (stun.MessageType{}) {
				require.Error(t, err, "no answer without the right credentials")
				return
			}
			require.NoError(t, err)
			response := &stun.Message{Raw: buffer[:n]}
			require.NoError(t, response.Decode())
			require.Equal(t, c.want, response.Type)
			require.Equal(t, request.TransactionID, response.TransactionID)
			require.NoError(t, stun.NewShortTermIntegrity(password).Check(response))
			if c.want == stun.BindingSuccess {
				var seen stun.XORMappedAddress
				require.NoError(t, seen.GetFrom(response))
				require.Equal(t, conn.LocalAddr().(*net.UDPAddr).Port, seen.Port)
			}
		})
	}
	require.Equal(t, int64(4), h.PacketsIn())
	require.Equal(t, int64(1), h.RoleConflicts())
	_, err = conn.Write([]byte("\x80rubbish\xff that is no SRTP"))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return h.PacketsIn() == 5 }, time.Second, time.Millisecond)
	require.Zero(t, h.Heard().Packets)
}
