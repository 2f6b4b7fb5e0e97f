package meta

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// Webhook is one change on its way to the business.
type Webhook struct {
	Field string // calls, messages, account_update …
	Value any
}

// Delivery is one webhook that was posted, with what came back.
type Delivery struct {
	Field    string // of the last change
	Body     []byte
	Status   int // of the last attempt; 0 when there was no answer
	Attempts int
	Time     time.Time // of the last attempt
}

// Deliveries are all webhooks posted so far, in order of their end.
func (f *Fake) Deliveries() []Delivery {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]Delivery(nil), f.deliveries...)
}

// Post sends any change value as a signed webhook, times times; for tests.
func (f *Fake) Post(ctx context.Context, field string, value any, times int) error {
	for range times {
		if err := f.post(ctx, Webhook{Field: field, Value: value}); err != nil {
			return err
		}
	}
	return nil
}

// PostBatch sends several changes in one signed POST, as Meta does with up to
// 1,000 updates.
func (f *Fake) PostBatch(ctx context.Context, webhooks []Webhook) error {
	return f.post(ctx, webhooks...)
}

// Verify does the hub.challenge handshake as Meta does when a webhook is
// configured (protocol: Meta "create-webhook-endpoint").
func (f *Fake) Verify(ctx context.Context) error {
	_, address := f.settings()
	const challenge = "1158201444"
	query := url.Values{
		"hub.mode": {"subscribe"}, "hub.challenge": {challenge}, "hub.verify_token": {f.cfg.VerifyToken},
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"?"+query.Encode(), http.NoBody)
	if err != nil {
		return fmt.Errorf("testbed/meta: %w", err)
	}
	response, err := f.client.Do(request)
	if err != nil {
		return fmt.Errorf("testbed/meta: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<10))
	if err != nil || response.StatusCode != http.StatusOK || string(body) != challenge {
		return fmt.Errorf("%w: status %d", ErrHandshake, response.StatusCode)
	}
	return nil
}

// value is the value of a change with one item in the named list, and a contact
// for each user.
func (f *Fake) value(list string, item map[string]any, users ...string) map[string]any {
	value := map[string]any{
		"messaging_product": "whatsapp",
		"metadata": map[string]any{
			"display_phone_number": f.cfg.Business, "phone_number_id": f.cfg.PhoneNumberID,
		},
		list: []any{item},
	}
	contacts := make([]any, 0, len(users))
	for _, digits := range users {
		contacts = append(contacts, f.identity(digits).contact(digits))
	}
	if len(contacts) > 0 {
		value["contacts"] = contacts
	}
	return value
}

// post delivers changes in one POST as the knobs say.
func (f *Fake) post(ctx context.Context, webhooks ...Webhook) error {
	if f.keep(webhooks) {
		return nil
	}
	changes, field := make([]any, len(webhooks)), ""
	for i, w := range webhooks {
		changes[i], field = map[string]any{"field": w.Field, "value": w.Value}, w.Field
	}
	body, err := encode(map[string]any{
		"object": "whatsapp_business_account",
		"entry":  []any{map[string]any{"id": f.cfg.WABA, "changes": changes}},
	})
	if err != nil {
		return err
	}
	knobs, _ := f.settings()
	if err := pause(ctx, knobs.Delay); err != nil {
		return err
	}
	for range 1 + max(0, knobs.Duplicate) {
		if err := f.deliver(ctx, field, body, knobs.Retry); err != nil {
			return err
		}
	}
	return nil
}

// deliver posts body until it is answered 2xx or the retries are used up.
func (f *Fake) deliver(ctx context.Context, field string, body []byte, retry []time.Duration) (err error) {
	if retry == nil {
		retry = []time.Duration{0, 250 * time.Millisecond, 500 * time.Millisecond, time.Second}
	}
	delivery := Delivery{Field: field, Body: body}
	defer func() {
		f.mu.Lock()
		f.deliveries = append(f.deliveries, delivery)
		f.mu.Unlock()
		f.signal()
	}()
	for attempt := 0; ; attempt++ {
		delivery.Attempts, delivery.Time = attempt+1, time.Now()
		delivery.Status, err = f.attempt(ctx, body)
		if err == nil && delivery.Status/100 == 2 {
			return nil
		}
		if err == nil {
			err = fmt.Errorf("%w: status %d", ErrNotDelivered, delivery.Status)
		}
		if attempt == len(retry) || pause(ctx, retry[attempt]) != nil {
			return err
		}
	}
}

func (f *Fake) attempt(ctx context.Context, body []byte) (int, error) {
	_, address := f.settings()
	if address == "" {
		return 0, ErrNoWebhook
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("testbed/meta: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "facebookexternalua")
	request.Header.Set("X-Hub-Signature-256", "sha256="+f.sign(body))
	response, err := f.client.Do(request)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrNotDelivered, err)
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 1<<16))
	return response.StatusCode, nil
}

func (f *Fake) sign(body []byte) string {
	mac := hmac.New(sha256.New, []byte(f.cfg.AppSecret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// encode writes JSON as Meta does: every character beyond ASCII as \uXXXX and
// slashes escaped, so that a signature over re-serialised JSON fails.
func encode(value any) ([]byte, error) {
	plain, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("testbed/meta: %w", err)
	}
	escaped := make([]byte, 0, len(plain))
	for len(plain) > 0 {
		r, size := utf8.DecodeRune(plain)
		plain = plain[size:]
		switch {
		case r == '/':
			escaped = append(escaped, `\/`...)
		case r < utf8.RuneSelf:
			escaped = append(escaped, byte(r))
		default:
			for _, unit := range utf16.AppendRune(nil, r) {
				escaped = fmt.Appendf(escaped, `\u%04x`, unit)
			}
		}
	}
	return escaped, nil
}

// stamp is a time as Meta's webhooks write it: seconds, in a string.
func stamp(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("testbed/meta: %w", ctx.Err())
	}
}
