package permissions_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/permissions"
)

// TestOptOutAgainstAuthorize races an opt-out with attempts of the same pair:
// no attempt stands in the audit after the opt-out, and no confirmed ticket is
// older than it without having been handed to the hang-up path.
func TestOptOutAgainstAuthorize(t *testing.T) {
	f := newFixture(t)
	rounds := 60
	if testing.Short() {
		rounds = 10
	}
	for round := range rounds {
		p := permissions.Pair{Business: metaNumber, User: permissions.User(fmt.Sprintf("+6590%06d", round))}
		f.record(t, f.grant(fmt.Sprint("g", round), p))
		start := make(chan struct{})
		var wg sync.WaitGroup
		for i := range 3 {
			wg.Go(func() {
				<-start
				ticket, _, err := f.Authorize(t.Context(), permissions.Attempt{Pair: p, CallID: fmt.Sprintf("c%d/%d", round, i)})
				if err != nil {
					t.Error(err)
				}
				if ticket == nil {
					return
				}
				_ = ticket.Confirm(t.Context())
				err = f.log.Update(t.Context(), func(ctx context.Context, tx *audit.Tx) error {
					return ticket.Settle(ctx, tx, permissions.OutcomeCancelled)
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Go(func() {
			<-start
			if _, err := f.Record(t.Context(), f.says(fmt.Sprint("stop", round), p, "stop calls")); err != nil {
				t.Error(err)
			}
		})
		close(start)
		wg.Wait()

		subject, _, err := f.Subject(t.Context(), p.User)
		require.NoError(t, err)
		entries, err := f.log.Entries(t.Context(), audit.Query{After: -1, Subject: subject, Limit: 1000})
		require.NoError(t, err)
		optOut, open := int64(-1), 0
		for _, e := range entries {
			switch e.Kind {
			case "dnc.added":
				optOut = e.Index
			case "call.attempted":
				require.EqualValues(t, -1, optOut, "an attempt at %d follows the opt-out at %d", e.Index, optOut)
				open++
				require.Equal(t, 1, open, "two attempts at a time")
			case "call.settled":
				open--
			}
		}
		require.NotEqualValues(t, -1, optOut)
		_, d := f.authorize(t, p, fmt.Sprintf("after%d", round))
		require.Equal(t, permissions.DoNotCall, d.Reason)
	}
}

// TestOneTicketForTwo: of many who ask at once exactly one gets the ticket.
func TestOneTicketForTwo(t *testing.T) {
	f := newFixture(t)
	f.record(t, f.grant("g", pair))
	tickets := make(chan *permissions.Ticket, 16)
	var wg sync.WaitGroup
	for i := range cap(tickets) {
		wg.Go(func() {
			ticket, d, err := f.Authorize(t.Context(), permissions.Attempt{Pair: pair, CallID: fmt.Sprint("c", i)})
			if err != nil || ticket == nil && d.Reason != permissions.AttemptInProgress {
				t.Errorf("%s %v", d.Reason, err)
			}
			tickets <- ticket
		})
	}
	wg.Wait()
	close(tickets)
	n := 0
	for ticket := range tickets {
		if ticket != nil {
			n++
		}
	}
	require.Equal(t, 1, n)
}
