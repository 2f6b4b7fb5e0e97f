package callback_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/permissions/callback"
)

// sanJose is in one time zone, eight hours behind UTC and seven in summer.
const sanJose = permissions.User("+14085551234")

func utc(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	require.NoError(t, err)
	return at
}

// TestACallbackIsPlannedIntoTheDay: it is due when the user's quiet hours are over,
// on the days on which the clocks change too, and is dialled then.
func TestACallbackIsPlannedIntoTheDay(t *testing.T) {
	for name, tc := range map[string]struct {
		user           permissions.User
		now, due       string
		wanted, closes time.Duration // the window, from now; closes 0 for a day
	}{
		"by day, at once":            {user: ann, now: "2026-11-22T04:00:00Z", due: "2026-11-22T04:00:00Z"},
		"at night, in the morning":   {user: ann, now: "2026-11-22T14:00:00Z", due: "2026-11-23T00:00:00Z"},
		"wanted at night":            {user: ann, now: "2026-11-22T04:00:00Z", wanted: 10 * time.Hour, due: "2026-11-23T00:00:00Z"},
		"when the clocks go ahead":   {user: sanJose, now: "2026-03-08T06:00:00Z", due: "2026-03-08T15:00:00Z"},
		"when the clocks go back":    {user: sanJose, now: "2026-11-01T05:00:00Z", due: "2026-11-01T16:00:00Z"},
		"the evening of that day":    {user: sanJose, now: "2026-11-02T04:59:00Z", due: "2026-11-02T04:59:00Z"},
		"a minute later, too late":   {user: sanJose, now: "2026-11-02T05:00:00Z", due: "2026-11-02T16:00:00Z"},
		"the window ends before day": {user: ann, now: "2026-11-22T14:00:00Z", closes: 10 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Until(utc(t, tc.now)))
				h := newHouse(t)
				h.record(permissions.Event{ID: "g", Kind: permissions.Granted, Pair: permissions.Pair{Business: business, User: tc.user}})
				if tc.closes == 0 {
					tc.closes = 24 * time.Hour
				}
				ask := callback.Callback{User: tc.user, NotBefore: in(tc.wanted), NotAfter: in(tc.closes)}
				if tc.due == "" {
					ask.Business, ask.Agent = business, "100"
					_, err := h.Add(t.Context(), ask)
					var refusal *permissions.Refusal
					require.ErrorAs(t, err, &refusal)
					require.Equal(t, permissions.QuietHours, refusal.Decision.Reason)
					require.Equal(t, ask.NotAfter.UTC(), refusal.Decision.RetryAfter, "exactly too late")
					return
				}
				c := h.add(ask)
				h.start()
				due := utc(t, tc.due)
				if wait := time.Until(due); wait > 0 {
					time.Sleep(wait - time.Millisecond)
					synctest.Wait()
					require.Zero(t, h.dialled(), "a millisecond early")
					time.Sleep(time.Millisecond)
				}
				synctest.Wait()
				require.Equal(t, callback.Completed, h.get(c.ID).State)
				require.Equal(t, due, h.get(c.ID).UpdatedAt)
				require.Zero(t, h.count("decision.refused"), "nothing is tried before")
			})
		})
	}
}

// TestTheNightCameBetween: the callback was due by day, but its turn came at night.
// The gate refuses and the callback waits for the morning, within its window.
func TestTheNightCameBetween(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(utc(t, "2026-11-22T12:30:00Z")))
		h := newHouse(t)
		h.grant()
		waits := h.add(callback.Callback{NotAfter: in(15 * time.Hour)})
		over := h.add(callback.Callback{NotAfter: in(5 * time.Hour)})
		time.Sleep(time.Hour)
		h.start()
		synctest.Wait()
		require.Equal(t, callback.Pending, h.get(waits.ID).State)
		require.Equal(t, 1, h.count("callback.postponed"))
		require.Equal(t, callback.Refused, h.get(over.ID).State)
		require.Equal(t, permissions.QuietHours, h.get(over.ID).Reason)
		time.Sleep(time.Until(utc(t, "2026-11-23T00:00:00Z")))
		synctest.Wait()
		require.Equal(t, callback.Completed, h.get(waits.ID).State)
		require.Equal(t, 1, h.dialled())
	})
}

// TestARestrictionDrainsTheQueue until it ends; what could not be called by then
// is refused at once.
func TestARestrictionDrainsTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(utc(t, "2026-11-22T04:00:00Z")))
		h := newHouse(t)
		h.grant()
		require.NoError(t, h.log.Update(t.Context(), func(ctx context.Context, tx *audit.Tx) error {
			_, err := h.ledger.RecordNotices(ctx, tx, permissions.Notice{
				ID: "n", Kind: permissions.Restriction, Type: permissions.RestrictedBusinessInitiated, Business: business,
				At: time.Now(), Until: in(time.Hour), Auth: permissions.AuthHMAC,
			})
			return err
		}))
		h.start()
		c := h.add(callback.Callback{NotAfter: in(2 * time.Hour)})
		_, err := h.Add(t.Context(), callback.Callback{Business: business, User: ann, Agent: "100", NotAfter: in(time.Hour)})
		var refusal *permissions.Refusal
		require.ErrorAs(t, err, &refusal)
		require.Equal(t, permissions.BusinessRestricted, refusal.Decision.Reason)
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, callback.Completed, h.get(c.ID).State)
		require.Equal(t, 1, h.dialled())
	})
}

// TestAnUnconfirmedGrantIsConfirmedAtTheDial: the provider is asked before each
// dial. As long as it gives no answer the callback waits.
func TestAnUnconfirmedGrantIsConfirmedAtTheDial(t *testing.T) {
	for name, answers := range map[string]bool{"confirmed": true, "never": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Until(utc(t, "2026-11-22T04:00:00Z")))
				h := newHouse(t)
				pair := permissions.Pair{Business: business, User: ann}
				_, err := h.ledger.Record(t.Context(), permissions.Event{ID: "g", Kind: permissions.Granted, Pair: pair, At: time.Now(), Auth: permissions.AuthBearer})
				require.NoError(t, err)
				asked := 0
				h.before = func(ctx context.Context) error {
					if asked++; asked < 3 || !answers {
						return nil
					}
					_, err := h.ledger.Record(ctx, permissions.Event{
						ID: "read", Kind: permissions.ReadBack, Pair: pair, At: time.Now(), Auth: permissions.AuthReadBack, Ref: "g",
						Provided: &permissions.ProviderState{Status: permissions.StatusTemporary},
					})
					return err
				}
				c := h.add(callback.Callback{})
				h.start()
				time.Sleep(11 * time.Minute)
				synctest.Wait()
				require.Equal(t, 3, asked)
				if answers {
					require.Equal(t, callback.Completed, h.get(c.ID).State)
					return
				}
				require.Equal(t, callback.Pending, h.get(c.ID).State)
				time.Sleep(time.Hour)
				synctest.Wait()
				require.Equal(t, callback.Refused, h.get(c.ID).State)
				require.Equal(t, permissions.PermissionUnverified, h.get(c.ID).Reason)
				require.Zero(t, h.dialled())
			})
		})
	}
}

// TestAnOptOutOfOnePurpose cancels what it may reach.
func TestAnOptOutOfOnePurpose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(utc(t, "2026-11-22T04:00:00Z")))
		h := newHouse(t)
		h.grant()
		byPurpose := map[string]callback.Callback{}
		for _, purpose := range []string{"sales", " Sales", "delivery", ""} {
			byPurpose[purpose] = h.add(callback.Callback{NotBefore: in(time.Hour), Purpose: purpose})
		}
		h.record(permissions.Event{ID: "o", Kind: permissions.OptedOut, Scope: permissions.ScopePurpose, Brand: "acme", Purpose: "sales"})
		require.Equal(t, callback.Cancelled, h.get(byPurpose["sales"].ID).State)
		require.Equal(t, callback.Cancelled, h.get(byPurpose[" Sales"].ID).State)
		require.Equal(t, callback.Cancelled, h.get(byPurpose[""].ID).State)
		require.Equal(t, callback.Pending, h.get(byPurpose["delivery"].ID).State)
		_, err := h.Add(t.Context(), callback.Callback{Business: business, User: ann, Agent: "100", Purpose: "sales"})
		var refusal *permissions.Refusal
		require.ErrorAs(t, err, &refusal)
		require.Equal(t, permissions.DoNotCall, refusal.Decision.Reason)
		h.start()
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, callback.Completed, h.get(byPurpose["delivery"].ID).State)
	})
}

// TestAWindowInWhichNothingIsAllowed: the permission ends before the quiet hours do,
// so that waiting for the morning helps nobody, and the callback is refused at once.
func TestAWindowInWhichNothingIsAllowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(utc(t, "2026-11-22T14:00:00Z"))) // 22:00 in Singapore
		h := newHouse(t)
		h.record(permissions.Event{ID: "g", Kind: permissions.Granted, Expires: in(time.Hour)})
		_, err := h.Add(t.Context(), callback.Callback{Business: business, User: ann, Agent: "100", NotAfter: in(24 * time.Hour)})
		var refusal *permissions.Refusal
		require.ErrorAs(t, err, &refusal)
		require.Zero(t, refusal.Decision.RetryAfter)
	})
}
