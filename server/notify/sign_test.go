package notify

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/compliance/audit"
)

// The vector that the reference implementations of Standard Webhooks share.
func TestSignatureIsTheReferences(t *testing.T) {
	key, err := Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").key()
	require.NoError(t, err)
	h := http.Header{}
	sign(h, key, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 999), []byte(`{"test": 2432232314}`))
	require.Equal(t, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", h.Get("webhook-signature"))
	require.Equal(t, "1614265330", h.Get("webhook-timestamp"))
	require.Equal(t, "msg_p5jXN8AQM9LWM0D4loKWxJek", h.Get("webhook-id"))
}

func TestSecretForms(t *testing.T) {
	short := base64.StdEncoding.EncodeToString(make([]byte, 23))
	for _, s := range []Secret{"", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_***", Secret("whsec_" + short)} {
		_, err := s.key()
		require.ErrorIs(t, err, ErrSecret)
	}
	broken := errors.New("no randomness")
	_, err := newSecret(iotest.ErrReader(broken))
	require.ErrorIs(t, err, broken)
}

// An erased payload leaves an event without data, which CloudEvents allows; an
// entry about nobody has no subject, which it demands.
func TestEventOfErasedEntry(t *testing.T) {
	b, err := encode("callctl/acme", audit.Entry{Index: 7, Kind: "log.started", Time: time.Date(2026, 11, 22, 1, 2, 3, 4e6, time.FixedZone("", 3600))})
	require.NoError(t, err)
	require.JSONEq(t, `{"specversion":"1.0","id":"7","source":"callctl/acme","type":"callctl.log.started","time":"2026-11-22T00:02:03.004Z"}`, string(b))
	_, err = encode("callctl", audit.Entry{Payload: json.RawMessage("{")})
	require.Error(t, err)
}
