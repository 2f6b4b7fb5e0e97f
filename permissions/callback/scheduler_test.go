package callback_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/permissions/callback"
)

func TestDialsWhenDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.grant()
		h.start()
		now := h.add(callback.Callback{Purpose: "delivery"})
		later := h.add(callback.Callback{NotBefore: in(90 * time.Minute), Order: callback.UserFirst})
		require.Equal(t, now.NotBefore.Add(time.Hour), now.NotAfter)
		require.Equal(t, callback.AgentFirst, now.Order)
		synctest.Wait()
		require.Equal(t, callback.Completed, h.get(now.ID).State)
		require.Equal(t, callback.Pending, h.get(later.ID).State)
		time.Sleep(90*time.Minute - time.Second)
		synctest.Wait()
		require.Equal(t, 1, h.dialled())
		time.Sleep(time.Second)
		synctest.Wait()
		c := h.get(later.ID)
		require.Equal(t, callback.Completed, c.State)
		require.Equal(t, callback.Dial{
			CallID: c.CallID, Callback: c.ID, Business: business, User: ann, Agent: "100", Order: callback.UserFirst,
		}, h.dials[1])
		for kind, n := range map[string]int{"callback.created": 2, "callback.dialling": 2, "callback.completed": 2, "call.attempted": 2} {
			require.Equal(t, n, h.count(kind), kind)
		}
	})
}

// TestGrantExpiresBeforeTheDial: the callback was promised under a grant that is
// over when its turn comes. The gate has the last word.
func TestGrantExpiresBeforeTheDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.record(permissions.Event{ID: "g", Kind: permissions.Granted, Expires: in(30 * time.Minute)})
		c := h.add(callback.Callback{NotBefore: in(20 * time.Minute), NotAfter: in(2 * time.Hour)})
		time.Sleep(30 * time.Minute) // the daemon was down at its time
		h.start()
		synctest.Wait()
		c = h.get(c.ID)
		require.Equal(t, callback.Refused, c.State)
		require.Equal(t, permissions.PermissionExpired, c.Reason)
		require.Zero(t, h.dialled())
		require.Equal(t, 1, h.count("decision.refused"))
		require.Zero(t, h.count("call.attempted"))
	})
}

func TestAddIsRefusedWhenWaitingDoesNotHelp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		var refusal *permissions.Refusal
		_, err := h.Add(t.Context(), callback.Callback{Business: business, User: ann, Agent: "100"})
		require.ErrorAs(t, err, &refusal)
		require.Equal(t, permissions.NoPermission, refusal.Decision.Reason)
		h.record(permissions.Event{ID: "g", Kind: permissions.Granted, Expires: in(time.Hour)})
		_, err = h.Add(t.Context(), callback.Callback{Business: business, User: ann, Agent: "100", NotBefore: in(59 * time.Minute)})
		require.ErrorAs(t, err, &refusal)
		require.Equal(t, permissions.PermissionExpired, refusal.Decision.Reason, "at the beginning of the window, skew included")
		require.Zero(t, h.count("callback.created"))

		for name, c := range map[string]callback.Callback{
			"no agent":    {Business: business, User: ann},
			"order":       {Business: business, User: ann, Agent: "1", Order: "both"},
			"window over": {Business: business, User: ann, Agent: "1", NotBefore: in(-2 * time.Hour), NotAfter: in(-time.Hour)},
			"reversed":    {Business: business, User: ann, Agent: "1", NotBefore: in(2 * time.Hour), NotAfter: in(time.Hour)},
		} {
			_, err := h.Add(t.Context(), c)
			require.ErrorIs(t, err, callback.ErrInvalid, name)
		}
	})
}

func TestOptOutCancelsWhatIsPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.grant()
		h.start()
		one := h.add(callback.Callback{NotBefore: in(time.Minute)})
		two := h.add(callback.Callback{NotBefore: in(time.Hour)})
		h.record(permissions.Event{ID: "m", Kind: permissions.Messaged, Text: "stop calls"})
		for _, id := range []string{one.ID, two.ID} {
			c := h.get(id)
			require.Equal(t, callback.Cancelled, c.State)
			require.Equal(t, permissions.DoNotCall, c.Reason)
		}
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		require.Zero(t, h.dialled())
		require.Equal(t, 2, h.count("callback.cancelled"))
		_, err := h.Add(t.Context(), callback.Callback{Business: business, User: ann, Agent: "100"})
		var refusal *permissions.Refusal
		require.ErrorAs(t, err, &refusal)
		require.Equal(t, permissions.DoNotCall, refusal.Decision.Reason)
	})
}

// TestOptOutCancelsWhateverTheAddressLooksLike: the row is found again by the
// canonical address of the opt-out.
func TestOptOutCancelsWhateverTheAddressLooksLike(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.grant()
		c := h.add(callback.Callback{Business: "6531234567", User: " 6591234567", NotBefore: in(time.Hour)})
		require.Equal(t, ann, c.User)
		require.Equal(t, business, c.Business)
		h.record(permissions.Event{ID: "d", Kind: permissions.Declined})
		require.Equal(t, callback.Cancelled, h.get(c.ID).State)
	})
}

// TestOptOutWhileTheCallbackGoesBack: it was neither pending, so that the opt-out
// would have cancelled it, nor had a call that could be hung up.
func TestOptOutWhileTheCallbackGoesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.grant()
		h.before = func(context.Context) error {
			h.record(permissions.Event{ID: "m", Kind: permissions.Messaged, Text: "stop calls"})
			busy := permissions.Rule{Name: "attempt_in_progress", Reason: permissions.AttemptInProgress}
			return &permissions.Refusal{Decision: permissions.Decision{Reason: busy.Reason, Rules: []permissions.Rule{busy}}}
		}
		h.start()
		c := h.add(callback.Callback{})
		synctest.Wait()
		c = h.get(c.ID)
		require.Equal(t, callback.Refused, c.State)
		require.Equal(t, permissions.DoNotCall, c.Reason)
		require.Equal(t, 1, h.count("callback.refused"))
	})
}

// TestStoppingWithinTheClaim: the claim is durable, and the scheduler is stopped
// before it could start the dial.
func TestStoppingWithinTheClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.grant()
		c := h.add(callback.Callback{NotBefore: in(time.Minute)})
		h.named = func() { h.cancel() }
		h.start()
		time.Sleep(2 * time.Minute)
		h.stop()
		require.Equal(t, callback.Pending, h.get(c.ID).State)
		h.named = nil
		h.start()
		synctest.Wait()
		require.Equal(t, callback.Completed, h.get(c.ID).State)
		require.Equal(t, 1, h.dialled())
	})
}

func TestRejectCancelsOnlyItsPair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.grant()
		h.record(permissions.Event{ID: "g2", Kind: permissions.Granted, Pair: permissions.Pair{Business: business, User: "+6598765432"}})
		mine := h.add(callback.Callback{NotBefore: in(time.Hour)})
		other := h.add(callback.Callback{NotBefore: in(time.Hour), User: "+6598765432"})
		time.Sleep(time.Second)
		h.record(permissions.Event{ID: "d", Kind: permissions.Declined})
		require.Equal(t, callback.Cancelled, h.get(mine.ID).State)
		require.Equal(t, permissions.PermissionDeclined, h.get(mine.ID).Reason)
		require.Equal(t, callback.Pending, h.get(other.ID).State)
	})
}

func TestCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.grant()
		c := h.add(callback.Callback{NotBefore: in(time.Minute)})
		got, err := h.Cancel(t.Context(), c.ID, "ops")
		require.NoError(t, err)
		require.Equal(t, callback.Cancelled, got.State)
		_, err = h.Cancel(t.Context(), c.ID, "ops")
		require.NoError(t, err, "twice is once")
		require.Equal(t, 1, h.count("callback.cancelled"))
		_, err = h.Cancel(t.Context(), "nothing", "ops")
		require.ErrorIs(t, err, callback.ErrNotFound)
		_, err = h.Get(t.Context(), "nothing")
		require.ErrorIs(t, err, callback.ErrNotFound)
		h.start()
		done := h.add(callback.Callback{})
		synctest.Wait()
		_, err = h.Cancel(t.Context(), done.ID, "ops")
		require.ErrorIs(t, err, callback.ErrNotPending)
	})
}

// TestAtMostSoManyDials: what is due waits for a free line, and fails with a
// reason when its window closes first.
func TestAtMostSoManyDials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.max = 2
		h.open()
		h.dial = func(context.Context, callback.Dial) (permissions.Outcome, error) {
			time.Sleep(10 * time.Minute)
			return permissions.OutcomeUnanswered, nil
		}
		var all []callback.Callback
		for i := range 4 {
			u := permissions.User(fmt.Sprintf("+659000000%d", i))
			h.record(permissions.Event{ID: fmt.Sprint("g", i), Kind: permissions.Granted, Pair: permissions.Pair{Business: business, User: u}})
			after := in(time.Hour)
			if i == 3 {
				after = in(5 * time.Minute)
			}
			all = append(all, h.add(callback.Callback{User: u, NotBefore: in(time.Duration(i) * time.Second), NotAfter: after}))
		}
		time.Sleep(10 * time.Second)
		h.start()
		time.Sleep(time.Minute)
		require.Equal(t, 2, h.dialled())
		require.Equal(t, callback.Dialling, h.get(all[0].ID).State)
		require.Equal(t, callback.Pending, h.get(all[2].ID).State)
		time.Sleep(5 * time.Minute)
		require.Equal(t, callback.Failed, h.get(all[3].ID).State)
		require.Equal(t, callback.WindowPassed, h.get(all[3].ID).Reason)
		time.Sleep(20 * time.Minute)
		synctest.Wait()
		require.Equal(t, 3, h.dialled())
		for _, c := range all[:3] {
			got := h.get(c.ID)
			require.Equal(t, callback.Failed, got.State)
			require.Equal(t, permissions.Reason(permissions.OutcomeUnanswered), got.Reason)
		}
	})
}

// TestManyWindowsClosedMeanwhile: after a long time without the daemon none is
// dialled past its window, however many there are.
func TestManyWindowsClosedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.grant()
		for range 120 {
			h.add(callback.Callback{})
		}
		time.Sleep(2 * time.Hour)
		h.start()
		time.Sleep(time.Second)
		synctest.Wait()
		require.Zero(t, h.dialled())
		require.Equal(t, 120, h.count("callback.failed"))
	})
}

// TestBusyUserIsTriedAgain: another call to the user ends within the window.
func TestBusyUserIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.grant()
		h.start()
		ticket, _, err := h.ledger.Authorize(t.Context(), permissions.Attempt{Pair: permissions.Pair{Business: business, User: ann}, CallID: "click-to-call"})
		require.NoError(t, err)
		c := h.add(callback.Callback{})
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, callback.Pending, h.get(c.ID).State)
		require.NotZero(t, h.count("callback.postponed"))
		require.NoError(t, h.log.Update(t.Context(), func(ctx context.Context, tx *audit.Tx) error {
			return ticket.Settle(ctx, tx, permissions.OutcomeConnected)
		}))
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, callback.Completed, h.get(c.ID).State)
	})
}

func TestOutcomes(t *testing.T) {
	broken := errors.New("no route")
	for name, tc := range map[string]struct {
		outcome permissions.Outcome
		err     error
		state   callback.State
		reason  permissions.Reason
	}{
		"connected":  {permissions.OutcomeConnected, nil, callback.Completed, ""},
		"unanswered": {permissions.OutcomeUnanswered, nil, callback.Failed, "unanswered"},
		"rejected":   {permissions.OutcomeRejected, nil, callback.Failed, "rejected"},
		"cancelled":  {permissions.OutcomeCancelled, nil, callback.Failed, "cancelled"},
		"failed":     {permissions.OutcomeFailed, nil, callback.Failed, "failed"},
		"refused":    {permissions.OutcomeRefused, nil, callback.Refused, permissions.PermissionUnverified},
		"unknown":    {permissions.OutcomeUnknown, nil, callback.Unknown, "unknown"},
		"broken":     {permissions.OutcomeFailed, broken, callback.Failed, callback.DialFailed},
		"no outcome": {"", broken, callback.Failed, callback.DialFailed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t)
				h.grant()
				h.dial = func(context.Context, callback.Dial) (permissions.Outcome, error) { return tc.outcome, tc.err }
				h.start()
				c := h.add(callback.Callback{})
				synctest.Wait()
				got := h.get(c.ID)
				require.Equal(t, tc.state, got.State)
				require.Equal(t, tc.reason, got.Reason)
			})
		})
	}
}

// TestRestart: what was dialling when the process died is unknown and is never
// dialled again; what was pending goes on.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.grant()
		h.record(permissions.Event{ID: "g2", Kind: permissions.Granted, Pair: permissions.Pair{Business: business, User: "+6598765432"}})
		lost := h.add(callback.Callback{})
		waits := h.add(callback.Callback{User: "+6598765432", NotBefore: in(time.Minute)})
		// The crash: the row was claimed, and no one lived to write the end.
		_, err := h.db.Write.ExecContext(t.Context(), `UPDATE callbacks SET state = 'dialling', call_id = 'gone' WHERE id = ?`, lost.ID)
		require.NoError(t, err)
		h.open()
		h.start()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		require.Equal(t, callback.Unknown, h.get(lost.ID).State)
		require.Equal(t, 1, h.count("callback.unknown"))
		require.Equal(t, callback.Completed, h.get(waits.ID).State)
		require.Equal(t, 1, h.dialled())
	})
}

// TestRunWaitsForItsDials: a call under way when the scheduler stops is written.
func TestRunWaitsForItsDials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.grant()
		h.dial = func(ctx context.Context, _ callback.Dial) (permissions.Outcome, error) {
			<-ctx.Done()
			time.Sleep(3 * time.Second) // the bridge hangs up
			return permissions.OutcomeCancelled, nil
		}
		h.start()
		c := h.add(callback.Callback{})
		synctest.Wait()
		require.Equal(t, callback.Dialling, h.get(c.ID).State)
		began := time.Now()
		h.stop()
		require.Equal(t, 3*time.Second, time.Since(began))
		require.Equal(t, callback.Failed, h.get(c.ID).State)
	})
}

// TestStoppingBetweenClaimAndDial: what was claimed and never put before the gate
// waits for the next start; what was reserved and has no outcome is unknown.
func TestStoppingBetweenClaimAndDial(t *testing.T) {
	broken := errors.New("bridge is gone")
	stopped := func(ctx context.Context) error { <-ctx.Done(); return broken }
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.grant()
		h.before = stopped
		h.start()
		c := h.add(callback.Callback{})
		synctest.Wait()
		h.stop()
		require.Equal(t, callback.Pending, h.get(c.ID).State)
		h.before = nil
		h.dial = func(ctx context.Context, _ callback.Dial) (permissions.Outcome, error) { return "", stopped(ctx) }
		h.start()
		synctest.Wait()
		require.Equal(t, 1, h.dialled())
		h.stop()
		require.Equal(t, callback.Unknown, h.get(c.ID).State)
		h.start()
		time.Sleep(10 * time.Minute)
		require.Equal(t, 1, h.dialled(), "never again by itself")
	})
}

func TestList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.grant()
		var want []string
		for i := range 5 {
			c := h.add(callback.Callback{NotBefore: in(time.Minute)})
			want = append([]string{c.ID}, want...)
			if i%2 == 0 {
				time.Sleep(time.Second)
			}
		}
		var got []string
		page := permissions.Page{Limit: 2}
		for {
			list, next, err := h.List(t.Context(), page)
			require.NoError(t, err)
			for _, c := range list {
				got = append(got, c.ID)
			}
			if page.Cursor = next; next == "" {
				break
			}
		}
		require.Equal(t, want, got)
		_, _, err := h.List(t.Context(), permissions.Page{Cursor: "x"})
		require.ErrorIs(t, err, permissions.ErrCursor)
	})
}

func TestNewNeedsItsParts(t *testing.T) {
	_, err := callback.New(callback.Config{})
	require.ErrorIs(t, err, callback.ErrConfig)
}
