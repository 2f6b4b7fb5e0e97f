package eightx8

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/google/uuid"
)

// samples are the bodies of the 8x8 pages, as they stand there.
//
//go:embed samples/*.json
var samples embed.FS

// Reply posts the sample of the 8x8 page (inbound_call_permission_reply.json)
// with fresh ids and times for msisdn ("+65…"), with the retry schedule of 8x8.
func (f *Fake) Reply(ctx context.Context, msisdn string, accept, permanent bool) error {
	now := time.Now()
	expires := now.Add(f.cfg.Grant)
	f.mu.Lock()
	u := f.user(msisdn)
	u.status, u.expires, u.windowEnds = "", time.Time{}, now.Add(day)
	if accept {
		u.status, u.expires = "temporary", expires
		if permanent {
			u.status = "permanent"
		}
	}
	request := u.request
	f.mu.Unlock()
	return f.send(ctx, "inbound_call_permission_reply.json", msisdn, now, func(payload map[string]any) error {
		reply, ok := object(payload, "content", "interactive", "callPermissionReply")
		if !ok {
			return ErrSample
		}
		if request != "" {
			payload["replyToUmid"] = request
		}
		reply["expirationTimestamp"] = isoTime(expires)
		if accept {
			reply["isPermanent"] = permanent
		} else {
			reply["response"] = "reject"
			delete(reply, "isPermanent")
		}
		if permanent || !accept {
			delete(reply, "expirationTimestamp")
		}
		return nil
	})
}

// Text posts an inbound text message and returns its umid.
func (f *Fake) Text(ctx context.Context, msisdn, message string) (string, error) {
	var umid string
	f.mu.Lock()
	f.user(msisdn).windowEnds = time.Now().Add(day)
	f.mu.Unlock()
	err := f.send(ctx, "inbound_text.json", msisdn, time.Now(), func(payload map[string]any) error {
		content, ok := object(payload, "content")
		if !ok {
			return ErrSample
		}
		content["text"] = message
		delete(payload, "replyToUmid") // the sample's is no UUID
		umid = text(payload, "umid")
		return nil
	})
	return umid, err
}

// send posts a sample with fresh identities after edit changed its payload.
func (f *Fake) send(
	ctx context.Context, sample, msisdn string, now time.Time, edit func(payload map[string]any) error,
) error {
	body, err := read(sample)
	if err != nil {
		return err
	}
	payload, ok := object(body, "payload")
	if !ok {
		return ErrSample
	}
	payload["umid"], payload["timestamp"] = uuid.NewString(), isoTime(now)
	payload["subAccountId"] = f.cfg.SubAccount
	payload["user"] = f.person(msisdn)
	if f.settings().Version == 3 {
		body["version"] = 3
	}
	payload["recipient"] = map[string]any{"channel": "whatsapp", "channelId": f.cfg.Channel}
	if err := edit(payload); err != nil {
		return err
	}
	return f.Post(ctx, body)
}

// Tap posts the tap on a quick reply button, such as "Allow calls". It grants
// nothing.
func (f *Fake) Tap(ctx context.Context, msisdn, title, id string) error {
	return f.send(ctx, "inbound_text.json", msisdn, time.Now(), func(payload map[string]any) error {
		payload["type"] = "Interactive"
		payload["content"] = map[string]any{"interactive": map[string]any{
			"type": "button_reply", "button_reply": map[string]any{"id": id, "title": title},
		}}
		delete(payload, "replyToUmid")
		return nil
	})
}

// read is a sample of the 8x8 pages.
func read(sample string) (map[string]any, error) {
	raw, err := samples.ReadFile("samples/" + sample)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSample, err)
	}
	var body map[string]any
	if err := json.Unmarshal(raw, &body); err != nil {
		return nil, fmt.Errorf("testbed/eightx8: %w", err)
	}
	return body, nil
}

// object is the JSON object at the path of keys.
func object(body map[string]any, keys ...string) (map[string]any, bool) {
	for _, key := range keys {
		next, ok := body[key].(map[string]any)
		if !ok {
			return nil, false
		}
		body = next
	}
	return body, true
}

// Post sends any body as a webhook with the Authorization header, retries and
// duplicates of the configuration.
func (f *Fake) Post(ctx context.Context, body any) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("testbed/eightx8: %w", err)
	}
	return f.postRaw(ctx, raw)
}

func (f *Fake) postRaw(ctx context.Context, raw []byte) error {
	if f.keep(raw) {
		return nil
	}
	knobs := f.settings()
	if err := f.pause(ctx, knobs.Delay); err != nil {
		return err
	}
	for range 1 + max(0, knobs.Duplicate) {
		if err := f.deliver(ctx, raw); err != nil {
			return err
		}
	}
	return nil
}

// deliver posts raw until it is answered 2xx or 8x8 gives up.
func (f *Fake) deliver(ctx context.Context, raw []byte) error {
	for attempt := 0; ; attempt++ {
		err := f.attempt(ctx, raw)
		if err == nil || attempt == len(f.cfg.Retry) {
			return err
		}
		if stopped := f.pause(ctx, f.cfg.Retry[attempt]); stopped != nil {
			return fmt.Errorf("%w: %w", err, stopped)
		}
	}
}

// pause waits for d, or until ctx ends or the fake is closed.
func (f *Fake) pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-f.closed:
		return ErrNotDelivered
	case <-ctx.Done():
		return fmt.Errorf("testbed/eightx8: %w", ctx.Err())
	}
}

func (f *Fake) attempt(ctx context.Context, raw []byte) error {
	f.mu.Lock()
	address := f.webhook
	f.mu.Unlock()
	if address == "" {
		return ErrNoWebhook
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(raw))
	if err != nil {
		return fmt.Errorf("testbed/eightx8: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	if f.cfg.Authorization != "" {
		request.Header.Set("Authorization", f.cfg.Authorization)
	}
	response, err := f.client.Do(request)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotDelivered, err)
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 1<<16))
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("%w: status %d", ErrNotDelivered, response.StatusCode)
	}
	return nil
}
