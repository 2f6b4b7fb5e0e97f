package notify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	secretPrefix = "whsec_"
	keySize      = 32 // Standard Webhooks: 24 to 64 bytes
)

func newSecret(rand io.Reader) (Secret, error) {
	key := make([]byte, keySize)
	if _, err := io.ReadFull(rand, key); err != nil {
		return "", fmt.Errorf("read randomness: %w", err)
	}
	return Secret(secretPrefix + base64.StdEncoding.EncodeToString(key)), nil
}

// key is what the secret signs with.
func (s Secret) key() ([]byte, error) {
	b64, ok := strings.CutPrefix(string(s), secretPrefix)
	key, err := base64.StdEncoding.DecodeString(b64)
	if !ok || err != nil || len(key) < 24 {
		return nil, ErrSecret
	}
	return key, nil
}

// sign sets the headers of Standard Webhooks 1.0: the signature is the
// HMAC-SHA256 over "id.timestamp.body", where the timestamp is the time of this
// try in Unix seconds.
func sign(h http.Header, key []byte, id string, at time.Time, body []byte) {
	timestamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, key)
	_, _ = io.WriteString(mac, id+"."+timestamp+".")
	_, _ = mac.Write(body)
	h.Set("webhook-id", id)
	h.Set("webhook-timestamp", timestamp)
	h.Set("webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}
