package meta

import (
	"context"
	"fmt"

	"github.com/callctl/callctl/provider"
)

type callRequest struct {
	Product string `json:"messaging_product"`
	*addressee
	CallID  string       `json:"call_id,omitempty"`
	Action  string       `json:"action"`
	Session *callSession `json:"session,omitempty"`
	Opaque  string       `json:"biz_opaque_callback_data,omitempty"`
}

type callSession struct {
	SDPType string `json:"sdp_type"`
	SDP     string `json:"sdp"`
}

// Connect implements sipbridge.Carrier: it calls the user, a number or a BSUID,
// with our offer and returns the wacid. The request is sent once and never
// repeated, because Meta would ring twice. An error that is no
// *sipbridge.CarrierError leaves open whether the user's phone rings; then the
// connect webhook carries opaque (at most 512 bytes).
func (a *Account) Connect(ctx context.Context, to, offer, opaque string) (string, error) {
	whom, err := address(to)
	if err != nil {
		return "", err
	}
	if offer == "" || len(opaque) > maxOpaque {
		return "", fmt.Errorf("meta: %w: no offer, or opaque is longer than %d bytes", provider.ErrRequest, maxOpaque)
	}
	var placed struct {
		Calls []struct {
			ID string `json:"id"`
		} `json:"calls"`
	}
	err = a.post(ctx, "calls", callRequest{
		Product: product, addressee: &whom, Action: "connect",
		Session: &callSession{SDPType: "offer", SDP: offer}, Opaque: opaque,
	}, &placed)
	if err != nil {
		return "", carrierError(err)
	}
	if len(placed.Calls) == 0 || placed.Calls[0].ID == "" {
		return "", fmt.Errorf("meta: calls: %w: no call id", provider.ErrAnswer)
	}
	return placed.Calls[0].ID, nil
}

// PreAccept implements sipbridge.Carrier: it gives Meta our answer so that ICE
// and DTLS finish before Accept, which must send the same answer.
func (a *Account) PreAccept(ctx context.Context, wacid, answer string) error {
	return a.act(ctx, callRequest{
		CallID: wacid, Action: "pre_accept", Session: &callSession{SDPType: "answer", SDP: answer},
	})
}

// Accept implements sipbridge.Carrier. The description is typed "answer": the
// parameter table of Meta's page says "offer", which Meta refuses.
func (a *Account) Accept(ctx context.Context, wacid, answer, opaque string) error {
	if len(opaque) > maxOpaque {
		return fmt.Errorf("meta: %w: opaque is longer than %d bytes", provider.ErrRequest, maxOpaque)
	}
	return a.act(ctx, callRequest{
		CallID: wacid, Action: "accept", Session: &callSession{SDPType: "answer", SDP: answer}, Opaque: opaque,
	})
}

// Reject implements sipbridge.Carrier: it declines a user's call.
func (a *Account) Reject(ctx context.Context, wacid string) error {
	return a.act(ctx, callRequest{CallID: wacid, Action: "reject"})
}

// Terminate implements sipbridge.Carrier. To end a call twice does no harm, so
// it is tried up to three times when Meta answers 429 or 5xx or not at all.
func (a *Account) Terminate(ctx context.Context, wacid string) error {
	return carrierError(a.repeat(ctx, func() error {
		return a.request(ctx, callRequest{CallID: wacid, Action: "terminate"})
	}))
}

func (a *Account) act(ctx context.Context, req callRequest) error {
	return carrierError(a.request(ctx, req))
}

// request sends an action on a call; Meta answers it with success or an error.
func (a *Account) request(ctx context.Context, req callRequest) error {
	if req.CallID == "" {
		return fmt.Errorf("meta: %w: no call id", provider.ErrRequest)
	}
	req.Product = product
	var done struct {
		Success *bool `json:"success"`
	}
	if err := a.post(ctx, "calls", req, &done); err != nil {
		return err
	}
	if done.Success != nil && !*done.Success {
		return &provider.APIError{Provider: name, Status: 200, Message: "the answer says success: false"}
	}
	return nil
}
