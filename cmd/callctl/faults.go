package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/geo"
	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/permissions/readback"
	"github.com/callctl/callctl/provider"
	"github.com/callctl/callctl/sipbridge"
)

// faults turns a provider's refusals into what the ledger has to know: that our
// number is barred, or that the provider's word on a permission differs from ours
// and is to be asked for.
type faults struct {
	log    *audit.Log
	ledger *permissions.Ledger
	reader *readback.Reader
	now    func() time.Time
	newID  func() string
	logger *slog.Logger
}

// refused takes note of a refusal by the account's provider. It returns when what
// it says of our number is durable, and does not fail: the caller has an error of
// its own to tell.
func (f faults) refused(ctx context.Context, account string, pair permissions.Pair, err error) {
	if n, ok := provider.NumberFault(err); ok {
		n.ID, n.Business, n.Account, n.At = "callctl/unable/"+f.newID(), pair.Business, account, f.now()
		if err := f.record(context.WithoutCancel(ctx), n); err != nil {
			f.logger.ErrorContext(ctx, "a provider's refusal of our number is not recorded", "account", account, "code", n.Code, "error", err)
		}
		return
	}
	if fault, ok := provider.Classify(err); ok && (fault.Class == provider.FaultAsk || fault.Class == provider.FaultWait) {
		f.reader.Refused(pair)
	}
}

func (f faults) record(ctx context.Context, notices ...permissions.Notice) error {
	return f.log.Update(ctx, func(ctx context.Context, tx *audit.Tx) error {
		_, err := f.ledger.RecordNotices(ctx, tx, notices...)
		return err
	})
}

// attentiveCarrier is a carrier whose refusals to connect are taken note of.
type attentiveCarrier struct {
	sipbridge.Carrier

	account  string
	business geo.E164
	faults   func() faults // the ledger is opened after the carriers
}

// Connect implements sipbridge.Carrier.
func (c attentiveCarrier) Connect(ctx context.Context, to, offer, opaque string) (string, error) {
	wacid, err := c.Carrier.Connect(ctx, to, offer, opaque)
	if err != nil {
		c.faults().refused(ctx, c.account, permissions.Pair{Business: c.business, User: permissions.User(to)}, err)
	}
	return wacid, err
}
