package eightx8

import (
	"context"
	"strconv"
	"time"
)

// otherError is 8x8's code for those of Meta that it has no own for, as the page's
// sample has it.
const otherError = 15

// metaCode is Meta's code behind 8x8's (8x8, outbound message status), 0 for none.
func metaCode(code int) int {
	return map[int]int{
		1009: 130429, 1018: 131026, 1022: 131047, 1024: 131049, 1028: 131056, 1051: 131050,
		1052: 138017, 1053: 138009, 1054: 131062,
	}[code]
}

// Receipt posts the status of a message (outbound_message_status_changed): queued,
// rejected, sent, delivered, undelivered or read, the bad ones with 8x8's code,
// such as 1018 (undeliverable), 1024 (held back), 1051 (the user stopped marketing
// messages), 1052 (permanent permission exists) or 1053 (limit of requests), or
// with one of Meta's that 8x8 has no own for.
func (f *Fake) Receipt(ctx context.Context, msisdn, umid, state string, code int) error {
	status := map[string]any{"state": state, "timestamp": isoTime(time.Now())}
	whatsapp := map[string]any{"pricingCategory": "utility"}
	switch state {
	case "delivered":
		status["detail"] = "delivered_to_recipient"
	case "read":
		status["detail"] = "read_by_recipient"
	}
	if code != 0 {
		behind := metaCode(code)
		if code > 9999 {
			code, behind = otherError, code
		}
		status["errorCode"], status["errorMessage"] = code, "Message failed"
		if behind != 0 {
			whatsapp["providerErrorCode"] = strconv.Itoa(behind)
		}
	}
	return f.Post(ctx, map[string]any{
		"version": 9, "namespace": "ChatApps", "eventType": "outbound_message_status_changed",
		"description": "ChatApps outbound message status",
		"payload": map[string]any{
			"umid": umid, "batchId": nil, "clientMessageId": nil, "subAccountId": f.cfg.SubAccount,
			"channel": "whatsapp", "user": f.person(msisdn), "status": status, "whatsapp": whatsapp,
		},
	})
}

// afterwards posts what becomes of a message that was accepted.
func (f *Fake) afterwards(ctx context.Context, msisdn, umid string, failing int, all bool) {
	if failing != 0 {
		_ = f.Receipt(ctx, msisdn, umid, "undelivered", failing) // the receiver tells whether it came
		return
	}
	if !all {
		return
	}
	for _, state := range []string{"sent", "delivered"} {
		_ = f.Receipt(ctx, msisdn, umid, state, 0)
	}
}
