package compliance

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/compliance/audit/audittest"
	"github.com/callctl/callctl/permissions"
)

// The whole way with the real ledger: granted, dialled, "stop calls", one
// confirmation, a refused attempt, and a pack that proves it.
func TestOptOutFromMessageToPack(t *testing.T) {
	h := newHouse(t)
	var confirmer *Confirmer
	ledger := h.newLedger(t, func(ctx context.Context, tx *audit.Tx, r permissions.Revocation) error {
		return confirmer.Enqueue(ctx, tx, r)
	})
	d := &desk{house: h, phone: &phone{}}
	confirmer, err := NewConfirmer(ConfirmerConfig{
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

// What is confirmed, with the real ledger: STOP once for calls and messages
// together, "stop calls" and "no more messages" as such, and neither an import, an operator's entry, nor
// anybody who wanted no messages before.
func TestWhatIsConfirmed(t *testing.T) {
	d := newImportDesk(t)
	var confirmer *Confirmer
	d.ledger = d.newLedger(t, func(ctx context.Context, tx *audit.Tx, r permissions.Revocation) error {
		return confirmer.Enqueue(ctx, tx, r)
	})
	d.importer = d.newImporter(t, d.ledger)
	words := &wordsSent{}
	confirmer, err := NewConfirmer(ConfirmerConfig{
		Log: d.log, Read: d.db.Read, Ledger: d.ledger, Messenger: words, Now: d.tick,
	})
	require.NoError(t, err)
	says := func(user permissions.User, id, text string) {
		_, err := d.ledger.Record(t.Context(), permissions.Event{
			ID: id, Kind: permissions.Messaged, Text: text, At: d.tick(), Auth: permissions.AuthBearer, Account: account,
			Pair: permissions.Pair{Business: business, User: user},
		})
		require.NoError(t, err)
	}
	says("+6590000001", "8x8/1", "STOP")
	says("+6590000002", "8x8/2", "please stop calling me")
	says("+6590000003", "8x8/3", "no more messages")
	says("+6590000003", "8x8/3b", "no more messages")
	says("+6590000003", "8x8/4", "and stop calling me")
	says("+6590000004", "8x8/5", "don't stop calling me")
	d.take(t, "user,scope\n+6590000005,all\n+6590000006,messages\n")
	says("+6590000006", "8x8/6", "STOP")
	_, err = d.ledger.Apply(t.Context(), permissions.Change{
		Kind: permissions.OptedOut, Pair: permissions.Pair{User: "+6590000007"}, Actor: "ops", Reason: "asked by phone",
	})
	require.NoError(t, err)

	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- confirmer.Run(ctx) }()
	require.Eventually(t, func() bool { return len(d.entries(t, kindSent)) == 3 }, 10*time.Second, time.Millisecond)
	cancel()
	require.NoError(t, <-done)
	require.Equal(t, map[permissions.User][]string{
		"+6590000001": {DefaultAllConfirmation}, "+6590000002": {DefaultConfirmation},
		"+6590000003": {DefaultMessagesConfirmation},
	}, words.sent)
	list := d.listed(t)
	for _, user := range []permissions.User{"+6590000001", "+6590000002", "+6590000003", "+6590000005", "+6590000006", "+6590000007"} {
		require.Contains(t, list, user)
	}
	require.Len(t, list, 6)
}

// wordsSent is a Messenger that keeps the words by user.
type wordsSent struct {
	mu   sync.Mutex
	sent map[permissions.User][]string
}

func (w *wordsSent) SendText(_ context.Context, _ string, to permissions.User, text, id string) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.sent == nil {
		w.sent = map[permissions.User][]string{}
	}
	w.sent[to] = append(w.sent[to], text)
	return "wamid." + id, nil
}

func countOf(list []string, s string) (n int) {
	for _, v := range list {
		if v == s {
			n++
		}
	}
	return n
}
