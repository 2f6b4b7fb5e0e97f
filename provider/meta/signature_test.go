package meta_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/provider"
)

// sign makes the header's value as Meta's page describes it, independently of
// the code under test.
func sign(secret string, raw []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(raw)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

func signed(raw []byte) http.Header {
	return http.Header{"X-Hub-Signature-256": {sign(appSecret, raw)}}
}

func TestAuthenticate(t *testing.T) {
	raw := fixture(t, "messages/text.json")
	auth, err := account(t).Authenticate(signed(raw), raw)
	require.NoError(t, err)
	require.Equal(t, permissions.AuthHMAC, auth)

	auth, err = account(t).Authenticate(signed(nil), nil)
	require.NoError(t, err, "an empty body can be signed; Decode refuses it")
	require.Equal(t, permissions.AuthHMAC, auth)
}

func TestAuthenticateRefusesHeaderVariants(t *testing.T) {
	raw := fixture(t, "messages/text.json")
	good := sign(appSecret, raw)
	old := hmac.New(sha1.New, []byte(appSecret))
	old.Write(raw)
	sha1Value := hex.EncodeToString(old.Sum(nil))
	const header = "X-Hub-Signature-256"
	variants := map[string]http.Header{
		"missing":             {},
		"empty":               {header: {""}},
		"two, both right":     {header: {good, good}},
		"right and wrong":     {header: {good, sign("another-secret-of-32-bytes-000000", raw)}},
		"wrong and right":     {header: {"sha256=" + strings.Repeat("0", 64), good}},
		"joined by comma":     {header: {good + ", " + good}},
		"upper-case hex":      {header: {"sha256=" + strings.ToUpper(good[7:])}},
		"mixed-case hex":      {header: {"sha256=" + strings.ToUpper(good[7:40]) + good[40:]}},
		"upper-case prefix":   {header: {"SHA256=" + good[7:]}},
		"no prefix":           {header: {good[7:]}},
		"prefix twice":        {header: {"sha256=" + good}},
		"sha1 prefix":         {header: {"sha1=" + good[7:]}},
		"sha512 prefix":       {header: {"sha512=" + good[7:]}},
		"colon":               {header: {"sha256:" + good[7:]}},
		"prefix only":         {header: {"sha256="}},
		"one digit short":     {header: {good[:len(good)-1]}},
		"half":                {header: {good[:39]}},
		"one digit long":      {header: {good + "0"}},
		"leading space":       {header: {" " + good}},
		"trailing space":      {header: {good + " "}},
		"space after equals":  {header: {"sha256= " + good[7:]}},
		"trailing newline":    {header: {good + "\n"}},
		"trailing NUL":        {header: {good + "\x00"}},
		"quoted":              {header: {`"` + good + `"`}},
		"not hex":             {header: {"sha256=" + strings.Repeat("z", 64)}},
		"zeros":               {header: {"sha256=" + strings.Repeat("0", 64)}},
		"fullwidth digits":    {header: {"sha256=" + strings.Repeat("０", 21) + "0"}},
		"other secret":        {header: {sign("another-secret-of-32-bytes-000000", raw)}},
		"empty secret":        {header: {sign("", raw)}},
		"unkeyed digest":      {header: {"sha256=" + hexSum(raw)}},
		"length extension":    {header: {sign(appSecret, append(append([]byte{}, raw...), 0x80))}},
		"sha1 header":         {"X-Hub-Signature": {"sha1=" + sha1Value}},
		"sha1 value":          {header: {"sha256=" + sha1Value}},
		"other header":        {"X-Hub-Signature": {good}},
		"other header 512":    {"X-Hub-Signature-512": {good}},
		"authorization":       {"Authorization": {good}},
		"header with space":   {"X-Hub-Signature-256 ": {good}},
		"underscores":         {"X_Hub_Signature_256": {good}},
		"trailer style":       {"Trailer:X-Hub-Signature-256": {good}},
		"of the empty body":   {header: {sign(appSecret, nil)}},
		"reversed":            {header: {"sha256=" + reverse(good[7:])}},
		"base64 of the bytes": {header: {"sha256=" + strings.Repeat("QUJD", 11)}},
	}
	require.GreaterOrEqual(t, len(variants), 40)
	for name, h := range variants {
		auth, err := account(t).Authenticate(h, raw)
		require.ErrorIs(t, err, provider.ErrUnauthenticated, name)
		require.Empty(t, auth, name)
		require.NotContains(t, err.Error(), good[7:], name)
	}
}

func hexSum(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

func reverse(s string) string {
	b := []byte(s)
	for i := range len(b) / 2 {
		b[i], b[len(b)-1-i] = b[len(b)-1-i], b[i]
	}
	return string(b)
}

// Meta escapes what is not ASCII; the same JSON written in another way has
// another signature.
func TestAuthenticateRefusesReserialisedJSON(t *testing.T) {
	raw := fixture(t, "messages/text.json")
	require.Contains(t, string(raw), `\ud83d\ude4f`)
	var v any
	require.NoError(t, json.Unmarshal(raw, &v))
	again, err := json.Marshal(v)
	require.NoError(t, err)
	require.JSONEq(t, string(raw), string(again))
	_, err = account(t).Authenticate(signed(raw), again)
	require.ErrorIs(t, err, provider.ErrUnauthenticated)
	_, err = account(t).Authenticate(signed(again), raw)
	require.ErrorIs(t, err, provider.ErrUnauthenticated)
}

// 100,000 deliveries with one bit wrong, in the body or in the header: none passes.
func TestAuthenticateRefusesEveryBitFlip(t *testing.T) {
	a, raw := account(t), fixture(t, "replies/1_temporary_accept.json")
	good := sign(appSecret, raw)
	random := rand.New(rand.NewPCG(1, 2))
	flips := 100_000
	if testing.Short() {
		flips = 5_000
	}
	for i := range flips {
		body, value := append([]byte{}, raw...), []byte(good)
		target := body
		if i%2 == 0 {
			target = value
		}
		bit := random.IntN(len(target) * 8)
		if i < 2*len(value)*8 && i%2 == 0 {
			bit = i / 2 // every bit of the header once
		}
		target[bit/8] ^= 1 << (bit % 8)
		_, err := a.Authenticate(http.Header{"X-Hub-Signature-256": {string(value)}}, body)
		require.ErrorIs(t, err, provider.ErrUnauthenticated)
	}
}

func FuzzAuthenticate(f *testing.F) {
	raw := []byte(`{"object":"whatsapp_business_account"}`)
	f.Add(sign(appSecret, raw), "", raw)
	f.Add("sha256=", "sha256=", raw)
	a := account(f)
	f.Fuzz(func(t *testing.T, first, second string, raw []byte) {
		h := http.Header{"X-Hub-Signature-256": {first}}
		if second != "" {
			h.Add("X-Hub-Signature-256", second)
		}
		auth, err := a.Authenticate(h, raw)
		if second == "" && first == sign(appSecret, raw) {
			require.NoError(t, err)
			return
		}
		require.ErrorIs(t, err, provider.ErrUnauthenticated)
		require.Empty(t, auth)
	})
}

func TestChallenge(t *testing.T) {
	ask := func(query string) (string, bool) {
		values, err := url.ParseQuery(query)
		require.NoError(t, err)
		return account(t).Challenge(values)
	}
	body, ok := ask("hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=" + verifyToken)
	require.True(t, ok)
	require.Equal(t, "1158201444", body)
	for _, query := range []string{
		"",
		"hub.mode=subscribe&hub.challenge=1",
		"hub.mode=subscribe&hub.challenge=1&hub.verify_token=",
		"hub.mode=subscribe&hub.challenge=1&hub.verify_token=wrong",
		"hub.mode=subscribe&hub.challenge=1&hub.verify_token=" + verifyToken + "x",
		"hub.mode=subscribe&hub.challenge=1&hub.verify_token=" + verifyToken[:20],
		"hub.mode=subscribe&hub.challenge=1&hub.verify_token=" + strings.ToUpper(verifyToken),
		"hub.mode=unsubscribe&hub.challenge=1&hub.verify_token=" + verifyToken,
		"hub.challenge=1&hub.verify_token=" + verifyToken,
		"hub.mode=subscribe&hub.verify_token=" + verifyToken,
		"hub.mode=subscribe&hub.challenge=&hub.verify_token=" + verifyToken,
		"hub.mode=subscribe&hub.challenge=" + strings.Repeat("1", 257) + "&hub.verify_token=" + verifyToken,
		"hub.mode=subscribe&hub.challenge=1&hub.verify_token=wrong&hub.verify_token=" + verifyToken,
		"hub.mode=subscribe&hub.challenge=1&hub.challenge=2&hub.verify_token=" + verifyToken,
	} {
		body, ok := ask(query)
		require.False(t, ok, query)
		require.Empty(t, body, query)
	}
}
