package compliance

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/compliance/audit/audittest"
	"github.com/callctl/callctl/geo"
	"github.com/callctl/callctl/permissions"
)

// The whole way with the real ledger: granted, dialled, "stop calls", one
// confirmation, a refused attempt, and a pack that proves it.
func TestOptOutFromMessageToPack(t *testing.T) {
	h := newHouse(t)
	rules, err := geo.Load()
	require.NoError(t, err)
	var confirmer *Confirmer
	const business = geo.E164("+6531234567")
	ledger, err := permissions.New(permissions.Config{
		Log: h.log, Read: h.db.Read, Geo: rules, Now: h.tick,
		Businesses: []permissions.Business{{Number: business, Account: account, Rules: "meta"}},
		RevokeTx: func(ctx context.Context, tx *audit.Tx, r permissions.Revocation) error {
			return confirmer.Enqueue(ctx, tx, r)
		},
	})
	require.NoError(t, err)
	d := &desk{house: h, phone: &phone{}}
	confirmer, err = NewConfirmer(ConfirmerConfig{
		Log: h.log, Read: h.db.Read, Ledger: ledger, Messenger: d.phone, Now: h.tick, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	d.start(t, confirmer)

	pair := permissions.Pair{Business: business, User: alice}
	record := func(e permissions.Event) {
		e.Pair, e.Account, e.Auth, e.At = pair, account, permissions.AuthHMAC, h.tick()
		_, err := ledger.Record(t.Context(), e)
		require.NoError(t, err)
	}
	record(permissions.Event{ID: "meta/wamid.1", Kind: permissions.Granted, Expires: h.tick().Add(7 * 24 * time.Hour)})
	ticket, decision, err := ledger.Authorize(t.Context(), permissions.Attempt{Pair: pair, CallID: "c1", Purpose: "delivery"})
	require.NoError(t, err)
	require.True(t, decision.Allow, decision)
	require.NoError(t, h.log.Update(t.Context(), func(ctx context.Context, tx *audit.Tx) error {
		return ticket.Settle(ctx, tx, permissions.OutcomeConnected)
	}))
	record(permissions.Event{ID: "meta/wamid.2", Kind: permissions.Messaged, Text: "stop calls"})
	record(permissions.Event{ID: "meta/wamid.2", Kind: permissions.Messaged, Text: "stop calls"}) // delivered twice
	record(permissions.Event{ID: "meta/wamid.3", Kind: permissions.Messaged, Text: "STOP CALLS"}) // said twice
	require.Eventually(t, func() bool { return slices.Contains(d.kinds(t), kindSent) }, 5*time.Second, time.Millisecond)
	_, decision, err = ledger.Authorize(t.Context(), permissions.Attempt{Pair: pair, CallID: "c2", Purpose: "delivery"})
	require.NoError(t, err)
	require.Equal(t, permissions.DoNotCall, decision.Reason)
	require.Len(t, d.messages(), 1)

	x, err := NewExporter(Config{
		Log: h.log, Read: h.db.Read, Ledger: ledger, Dir: h.dir, Now: h.tick, NewID: func() string { return "E1" },
	})
	require.NoError(t, err)
	h.exporter = x
	_, pack := h.export(t)
	r, err := verify(pack, h.log.VerifierKey())
	require.NoError(t, err)
	summary := strings.Join(r.Summary, "\n")
	require.Contains(t, summary, "On the do-not-call list since")
	require.Contains(t, summary, "Dials after it, up to the export: none. Refused by the gate in that time: 1.")
	kinds := d.kinds(t)
	require.Equal(t, 1, countOf(kinds, kindSent), fmt.Sprint(kinds))
	require.Equal(t, 1, countOf(kinds, kindEnqueued), fmt.Sprint(kinds))
	audittest.Check(t, h.db.Read, h.dir+"/audit")
}

func countOf(list []string, s string) (n int) {
	for _, v := range list {
		if v == s {
			n++
		}
	}
	return n
}
