package compliance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/permissions"
)

// phone is a Messenger that keeps what it was asked to send.
type phone struct {
	mu    sync.Mutex
	sent  []string // "account user id"
	at    []time.Time
	err   error
	block chan struct{} // when set, SendText waits for it
	want  string        // the only words that it sends; the default ones about calls when empty
}

func (p *phone) SendText(_ context.Context, account string, to permissions.User, text, id string) (string, error) {
	p.mu.Lock()
	p.sent = append(p.sent, fmt.Sprintf("%s %s %s", account, to, id))
	p.at = append(p.at, time.Now())
	n, err, block := len(p.sent), p.err, p.block
	p.mu.Unlock()
	if block != nil {
		<-block
	}
	if want := p.want; text != want && (want != "" || text != DefaultConfirmation) {
		return "", errors.New("other words")
	}
	return fmt.Sprintf("wamid.%d", n), err
}

func (p *phone) messages() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.sent)
}

// recorder is a ledger that keeps the events it is told.
type recorder struct {
	mu       sync.Mutex
	events   []permissions.Event
	channels permissions.Channels // that opt-outs end, calls when empty
	silenced bool
}

func (r *recorder) OptOutTx(_ context.Context, _ *audit.Tx, v permissions.Revocation) (permissions.OptOut, bool, error) {
	return permissions.OptOut{Channels: cmp.Or(r.channels, permissions.ChannelsCalls), Silenced: r.silenced}, v.DoNotCall, nil
}

func (r *recorder) RecordTx(ctx context.Context, tx *audit.Tx, events ...permissions.Event) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, events...)
	_, err := tx.Append(ctx, audit.Record{Kind: kindSent, Subject: "s-alice", Payload: events})
	return len(events), err
}

// kindSent is what the ledger calls a Confirmed event.
const kindSent = "message.confirmation_sent"

type desk struct {
	*house
	*phone
	*recorder
	confirmer *Confirmer
	logged    *strings.Builder
}

func newDesk(tb testing.TB) *desk {
	tb.Helper()
	d := &desk{house: newHouse(tb), phone: &phone{}, recorder: &recorder{}, logged: &strings.Builder{}}
	d.confirmer = d.newConfirmer(tb)
	return d
}

func (d *desk) newConfirmer(tb testing.TB) *Confirmer {
	tb.Helper()
	c, err := NewConfirmer(ConfirmerConfig{
		Log: d.log, Read: d.db.Read, Ledger: d.recorder, Messenger: d.phone, Now: d.tick,
		Logger: slog.New(slog.NewTextHandler(d.logged, nil)),
	})
	require.NoError(tb, err)
	return c
}

func optOut(event string) permissions.Revocation {
	return permissions.Revocation{
		Pair:    permissions.Pair{Business: "+6531234567", User: alice},
		Subject: "s-alice", Event: event, Reason: permissions.DoNotCall, DoNotCall: true, Account: account, Origin: true,
		Message: strings.TrimSuffix(event, "/optout"),
	}
}

func (d *desk) enqueue(tb testing.TB, r permissions.Revocation) {
	tb.Helper()
	require.NoError(tb, d.log.Update(tb.Context(), func(ctx context.Context, tx *audit.Tx) error {
		return d.confirmer.Enqueue(ctx, tx, r)
	}))
}

// start runs a confirmer until the test ends or stop is called.
func (d *desk) start(tb testing.TB, c *Confirmer) (stop func()) {
	tb.Helper()
	ctx, cancel := context.WithCancel(tb.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(tb, <-done)
	})
	tb.Cleanup(stop)
	return stop
}

func (d *desk) kinds(tb testing.TB) []string {
	tb.Helper()
	entries, err := d.log.Entries(tb.Context(), audit.Query{After: -1, Limit: 10000})
	require.NoError(tb, err)
	var kinds []string
	for _, e := range entries {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

func (d *desk) requireKinds(tb testing.TB, want ...string) {
	tb.Helper()
	require.Eventually(tb, func() bool { return slices.Equal(d.kinds(tb), want) }, 5*time.Second, time.Millisecond,
		"have %v", d.kinds(tb))
}

func TestOptOutIsConfirmedOnce(t *testing.T) {
	d := newDesk(t)
	stop := d.start(t, d.confirmer)
	d.enqueue(t, optOut("meta/wamid.7"))
	d.requireKinds(t, kindEnqueued, kindSent)
	d.enqueue(t, optOut("meta/wamid.7")) // the same fact again
	twin := optOut("meta/wamid.7")       // another event that the same message amounts to
	twin.Event = "meta/wamid.7/stop"
	d.enqueue(t, twin)
	other := optOut("meta/wamid.7") // another pair that the same opt-out narrows
	other.Pair.Business, other.Origin = "+6539999999", false
	d.enqueue(t, other)
	stop()
	require.Equal(t, []string{"acme +6591234567 confirmation/meta/wamid.7"}, d.messages())
	require.Len(t, d.events, 1)
	event := d.events[0]
	require.Equal(t, permissions.Confirmed, event.Kind)
	require.Equal(t, "wamid.1", event.Ref)
	require.Equal(t, permissions.AuthSelf, event.Auth)
	require.Equal(t, alice, event.Pair.User)

	d.start(t, d.newConfirmer(t))()
	require.Len(t, d.messages(), 1, "a restart does not repeat it")
	d.requireKinds(t, kindEnqueued, kindSent)
}

func TestOnlyOptOutsByMessageAreConfirmed(t *testing.T) {
	d := newDesk(t)
	stop := d.start(t, d.confirmer)
	byAPI, unsent, declined, anonymous := optOut("a"), optOut("b"), optOut("c"), optOut("")
	byAPI.Message = ""
	unsent.Account = ""
	declined.DoNotCall = false
	for _, r := range []permissions.Revocation{byAPI, unsent, declined, anonymous} {
		d.enqueue(t, r)
	}
	stop()
	require.Empty(t, d.messages())
	require.Empty(t, d.kinds(t))
}

func TestConfirmationSaysWhatWasStopped(t *testing.T) {
	for channels, want := range map[permissions.Channels]string{
		permissions.ChannelsCalls: DefaultConfirmation, permissions.ChannelsMessages: DefaultMessagesConfirmation,
		permissions.ChannelsAll: DefaultAllConfirmation,
	} {
		d := newDesk(t)
		d.channels, d.want = channels, want
		d.start(t, d.confirmer)
		d.enqueue(t, optOut("meta/wamid.7"))
		d.requireKinds(t, kindEnqueued, kindSent)
		require.Equal(t, want, d.events[0].Text)
	}
	d := newDesk(t)
	c, err := NewConfirmer(ConfirmerConfig{
		Log: d.log, Read: d.db.Read, Ledger: d.recorder, Messenger: d.phone, Now: d.tick,
		Texts: map[permissions.Channels]string{permissions.ChannelsCalls: "Ende."},
	})
	require.NoError(t, err)
	d.confirmer, d.want = c, "Ende."
	d.start(t, c)
	d.enqueue(t, optOut("meta/wamid.7"))
	d.requireKinds(t, kindEnqueued, kindSent)
}

// Who wanted no messages before gets none now.
func TestSilencedUsersAreNotWrittenTo(t *testing.T) {
	d := newDesk(t)
	d.silenced = true
	stop := d.start(t, d.confirmer)
	d.enqueue(t, optOut("meta/wamid.7"))
	stop()
	require.Empty(t, d.messages())
	require.Empty(t, d.kinds(t))
}

// After five minutes a confirmation would be one more message: a process that was
// down for longer sends none.
func TestLateConfirmationIsNotSent(t *testing.T) {
	for late, want := range map[time.Duration]string{
		confirmWithin - 10*time.Second: kindSent, // the clock of the house ticks on
		confirmWithin + time.Second:    kindLate,
	} {
		d := newDesk(t)
		d.enqueue(t, optOut("meta/wamid.7"))
		d.house.mu.Lock()
		d.now = d.now.Add(late)
		d.house.mu.Unlock()
		d.start(t, d.newConfirmer(t))
		d.requireKinds(t, kindEnqueued, want)
		var recipient *string
		require.NoError(t, d.db.Read.QueryRowContext(t.Context(), "SELECT recipient FROM opt_out_confirmations").Scan(&recipient))
		require.Nil(t, recipient)
		if want == kindLate {
			require.Empty(t, d.messages())
		}
	}
}

func TestRolledBackOptOutIsNotConfirmed(t *testing.T) {
	d := newDesk(t)
	stop := d.start(t, d.confirmer)
	failure := errors.New("the opt-out failed")
	err := d.log.Update(t.Context(), func(ctx context.Context, tx *audit.Tx) error {
		require.NoError(t, d.confirmer.Enqueue(ctx, tx, optOut("x")))
		return failure
	})
	require.ErrorIs(t, err, failure)
	stop()
	require.Empty(t, d.messages())
}

func TestEnqueuedBeforeTheStartIsSent(t *testing.T) {
	d := newDesk(t)
	for i := range 20 {
		d.enqueue(t, optOut(fmt.Sprintf("e%d", i)))
	}
	d.start(t, d.newConfirmer(t))
	require.Eventually(t, func() bool { return len(d.messages()) == 20 }, 5*time.Second, time.Millisecond)
	sent := d.messages()
	slices.Sort(sent)
	require.Len(t, slices.Compact(sent), 20)
}

// An error may mean that the message went out all the same.
func TestUnknownOutcomeIsNotRepeated(t *testing.T) {
	d := newDesk(t)
	d.err = errors.New("timeout talking to graph")
	stop := d.start(t, d.confirmer)
	d.enqueue(t, optOut("x"))
	d.requireKinds(t, kindEnqueued, kindUnknown)
	stop()
	d.start(t, d.newConfirmer(t))()
	require.Len(t, d.messages(), 1)
	require.Empty(t, d.events)
	require.Contains(t, d.logged.String(), "+…67")
	require.NotContains(t, d.logged.String(), "6591234567")
}

// A process that died while sending leaves a row that is never sent again.
func TestCrashWhileSendingIsUnknown(t *testing.T) {
	d := newDesk(t)
	d.enqueue(t, optOut("x"))
	_, ok, err := d.confirmer.claim(t.Context()) // durable, and then the process is gone
	require.NoError(t, err)
	require.True(t, ok)
	d.start(t, d.newConfirmer(t))
	d.requireKinds(t, kindEnqueued, kindUnknown)
	require.Empty(t, d.messages())
}

// The intent is on the disk as "sending" before the provider hears anything.
func TestIntentIsDurableBeforeTheMessage(t *testing.T) {
	d := newDesk(t)
	d.block = make(chan struct{})
	stop := d.start(t, d.confirmer)
	d.enqueue(t, optOut("x"))
	require.Eventually(t, func() bool { return len(d.messages()) == 1 }, 5*time.Second, time.Millisecond)
	state := func() (s string, recipient *string) {
		require.NoError(t, d.db.Read.QueryRowContext(t.Context(),
			"SELECT state, recipient FROM opt_out_confirmations").Scan(&s, &recipient))
		return s, recipient
	}
	s, _ := state()
	require.Equal(t, "sending", s)
	close(d.block)
	stop() // waits for what is being sent
	s, recipient := state()
	require.Equal(t, "sent", s)
	require.Nil(t, recipient, "the number is not kept for longer than it is needed")
	d.requireKinds(t, kindEnqueued, kindSent)
}

// One confirmation, all within a second: the time from the opt-out's commit to
// the provider being asked.
func TestConfirmationIsPrompt(t *testing.T) {
	d := newDesk(t)
	d.start(t, d.confirmer)
	const n = 100
	var took []time.Duration
	for i := range n {
		start := time.Now()
		d.enqueue(t, optOut(fmt.Sprintf("e%d", i)))
		require.Eventually(t, func() bool { return len(d.messages()) == i+1 }, 5*time.Second, time.Millisecond)
		d.phone.mu.Lock()
		took = append(took, d.at[i].Sub(start))
		d.phone.mu.Unlock()
	}
	slices.Sort(took)
	t.Logf("p50 %v, p99 %v", took[n/2], took[n*99/100])
	require.Less(t, took[n*99/100], 500*time.Millisecond)
}
