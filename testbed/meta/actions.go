package meta

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/callctl/callctl/testbed/handset"
)

// callAction answers POST calls (protocol: Meta calling "reference").
func (f *Fake) callAction(r *http.Request, body map[string]any) (any, *graphError) {
	if len(text(body, "biz_opaque_callback_data")) > 512 {
		return nil, invalidParameter("biz_opaque_callback_data is longer than 512 characters")
	}
	action := text(body, "action")
	if action == "connect" {
		return f.connect(r.Context(), body)
	}
	f.mu.Lock()
	c := f.byID[text(body, "call_id")]
	f.mu.Unlock()
	if c == nil {
		return nil, invalidParameter("Call ID is invalid or the call does not exist")
	}
	var refused *graphError
	switch action {
	case "pre_accept", "accept":
		refused = c.accept(body, action == "accept")
	case "reject":
		refused = c.reject()
	case "terminate":
		refused = c.terminate()
	default:
		refused = invalidParameter("The parameter action is not valid")
	}
	if refused != nil {
		return nil, refused
	}
	return map[string]any{"messaging_product": "whatsapp", "success": true}, nil
}

// connect begins a call of the business.
func (f *Fake) connect(ctx context.Context, body map[string]any) (any, *graphError) {
	_, digits := f.addressee(body)
	if digits == "" {
		return nil, invalidParameter("The parameter to is required")
	}
	if text(body, "session", "sdp_type") != "offer" {
		return nil, invalidParameter("session.sdp_type must be offer")
	}
	f.mu.Lock()
	refused := f.mayCall(f.user(digits), time.Now())
	behaviour := f.user(digits).behaviour
	f.mu.Unlock()
	if refused != nil {
		return nil, refused
	}
	h, err := handset.New(f.cfg.MediaHost, behaviour)
	if err != nil {
		return nil, refusal(http.StatusInternalServerError, 138004, "(#138004) Connection error", "no media port")
	}
	answer, err := h.Answer(text(body, "session", "sdp"))
	if err != nil {
		_ = h.Close()
		return nil, sdpRefusal(err)
	}
	c := f.newCall(digits, BusinessInitiated, behaviour, h)
	c.record.Opaque = text(body, "biz_opaque_callback_data")
	if err := f.begin(ctx, c, func(ctx context.Context) { c.ring(ctx, answer) }); err != nil {
		return nil, refusal(http.StatusInternalServerError, 138004, "(#138004) Connection error", err.Error())
	}
	if knobs, _ := f.settings(); knobs.LoseConnectResponse {
		return connectionLost, nil
	}
	return map[string]any{"messaging_product": "whatsapp", "calls": []any{map[string]any{"id": c.record.ID}}}, nil
}

// mayCall is Meta's own gate. The caller holds mu.
func (f *Fake) mayCall(u *user, now time.Time) *graphError {
	if refused := f.number.mayDial(now); refused != nil {
		return refused
	}
	if u.permission(now) == "no_permission" {
		return refusal(http.StatusUnauthorized, 138006, "(#138006) No approved call permission",
			"No approved call permission from the recipient")
	}
	for _, c := range f.calls {
		if c.digits == u.digits && !c.over() {
			return refusal(http.StatusBadRequest, 138003, "(#138003) Duplicate call",
				"A call with this user is in progress")
		}
	}
	if reached(within(u.connected, now, day), f.cfg.Limits.CallsPerDay) {
		return refusal(http.StatusBadRequest, 138012, "(#138012) Business initiated call limit reached",
			"The limit of connected calls to this user in 24 hours is reached. Calls are possible again at "+
				strconv.FormatInt(nextFree(u.connected, now, day, f.cfg.Limits.CallsPerDay).Unix(), 10))
	}
	return nil
}

// sdpRefusal is how Meta words a bad SDP.
func sdpRefusal(err error) *graphError {
	if bad, ok := errors.AsType[*handset.SDPError](err); ok {
		return invalidParameter(bad.Details)
	}
	return invalidParameter("SDP Validation error - Provided SDP is invalid")
}
