package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// postTimeout bounds one try, from the look-up of the name to the answer's end.
	postTimeout = 5 * time.Second
	// maxAnswer bounds what is read of an answer; what it says is of no interest.
	maxAnswer = 64 << 10
)

// answer is what came of one try.
type answer struct {
	taken      bool
	gone       bool
	retryAfter time.Duration
	problem    string // why it was not taken, in our own words
}

// post tries one delivery. A process that stops does not break it off: its
// answer would be lost and the delivery repeated.
func (n *Notifier) post(ctx context.Context, url string, key []byte, id string, body []byte) answer {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), postTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return answer{problem: "the address is malformed"}
	}
	now := n.cfg.Now()
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("User-Agent", "callctl")
	sign(req.Header, key, id, now, body)
	res, err := n.client.Do(req)
	if err != nil {
		return answer{problem: name(err)}
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxAnswer)) // so that the connection can be used again
	if res.StatusCode >= 200 && res.StatusCode < 300 {
		return answer{taken: true}
	}
	return answer{
		gone:       res.StatusCode == http.StatusGone,
		retryAfter: retryAfter(res.Header.Get("Retry-After"), now),
		problem:    "answered " + strconv.Itoa(res.StatusCode),
	}
}

// retryAfter reads RFC 9110 section 10.2.3: seconds or a date; 0 for neither.
func retryAfter(v string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64); err == nil {
		return time.Duration(min(max(seconds, 0), int64(giveUp/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil {
		return min(max(at.Sub(now), 0), giveUp)
	}
	return 0
}

// name says in our own words why a request had no answer: the error's own hold
// the address, which may hold a credential.
func name(err error) string {
	var timeout net.Error
	var dns *net.DNSError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(err, ErrForbiddenAddress):
		return "the host leads to a forbidden address"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "no answer within 5 seconds"
	case errors.As(err, &dns):
		return "the host is not known"
	case errors.As(err, &certificate):
		return "the certificate is not trusted"
	}
	return "the connection failed"
}
