package eightx8

import (
	"encoding/json"

	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/provider"
)

// receipt reads a delivery receipt (8x8, delivery receipts for outbound messages).
// Each state is a fact of its own, because they come in any order.
func (d *decoder) receipt(raw json.RawMessage) {
	var r receipt
	if !object(raw, &r) {
		d.Malformed("payload")
		return
	}
	if !r.Channel.Is("whatsapp") {
		d.Missing("channel", r.Channel.Lower())
		return
	}
	state, known := deliveryState(r.Status.State.Lower())
	if !known {
		d.Missing("status", r.Status.State.Lower())
		return
	}
	if state == "" {
		return
	}
	if r.Umid == "" {
		d.Malformed("umid")
		return
	}
	user, aliases, ok := r.User.address()
	if !ok {
		d.Malformed("user")
		return
	}
	fact := permissions.Event{
		ID: d.ID("message", state, string(r.Umid)), Kind: permissions.Delivered, At: d.TimeOrNow(r.Status.Timestamp),
		Pair: permissions.Pair{User: user}, Aliases: aliases, Ref: string(r.Umid), Delivery: state, Code: r.code(),
	}
	d.Fact(fact)
	d.Unable(string(r.Umid), fact.At, fact.Code)
}

// deliveryState is the ledger's word for 8x8's; "" for a message that is still on
// its way.
func deliveryState(word string) (state string, known bool) {
	switch word {
	case "queued":
		return "", true
	case "sent", "delivered", "read":
		return word, true
	case "rejected", "undelivered", "failed":
		return "failed", true
	}
	return "", false
}

// code is why a message failed, as Meta counts it: Meta's own code where 8x8
// passes it on, or what 8x8's stands for. A code that stands for none of Meta's
// stays as it is.
func (r *receipt) code() int {
	if n, err := r.WhatsApp.ProviderErrorCode.Int(); err == nil && n > 0 && n < 1<<31 {
		return int(n)
	}
	if n, err := r.Status.ErrorCode.Int(); err == nil && n > 0 && n < 1<<31 {
		return provider.MetaCode(name, int(n))
	}
	return 0
}
