package permissions_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/callctl/callctl/geo"
	"github.com/callctl/callctl/permissions"
)

// consent is what is known of one address, in the order in which facts became
// known, whatever the clocks said.
type consent struct {
	barred bool // opted out and not lifted
	anew   bool // lifted, and no grant of the user's own became known since
}

// skewRuns bounds the histories of an ordinary run.
const skewRuns = 60

// TestNoClockGetsPastAnOptOut: with providers' clocks that are off, ours stepping
// both ways, late deliveries and two addresses that turn out to be one person, no
// call is allowed between an opt-out and a grant that became known after its
// lifting, nor between an operator's revocation and a grant that came after it,
// whatever the provider goes on telling of the one that was withdrawn.
func TestNoClockGetsPastAnOptOut(t *testing.T) {
	f := newWorld(t, nil)
	run, allowed := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		if run++; run > skewRuns && !testing.Verbose() {
			return // each costs dozens of durable commits; -v runs all that rapid asks for
		}
		users := []permissions.User{permissions.User(fmt.Sprintf("+659%07d", run)), permissions.User(fmt.Sprintf("SG.%d", run))}
		known := []*consent{{}, {}}
		withdrawn, ends := map[geo.E164]bool{}, map[geo.E164]time.Time{} // by an operator, and of what the provider knows
		for step := range rapid.IntRange(10, 25).Draw(rt, "steps") {
			i := rapid.IntRange(0, 1).Draw(rt, "address")
			id := fmt.Sprintf("%d/%d", run, step)
			p := permissions.Pair{
				Business: rapid.SampledFrom([]geo.E164{metaNumber, strictPhone}).Draw(rt, "business"), User: users[i],
			}
			skew := time.Second * time.Duration(rapid.IntRange(-7200, 600).Draw(rt, "skew"))
			switch rapid.SampledFrom([]string{"grant", "grant", "grant", "grant", "automatic", "reject", "stop", "list", "lift", "lift", "link", "clock", "call", "call", "call", "call", "withdraw", "read", "read"}).Draw(rt, "what") {
			case "grant":
				e := f.grant(id, p)
				e.At = e.At.Add(skew)
				e.Expires = e.At.Add(168 * time.Hour)
				f.record(t, e)
				known[i].anew = false
				withdrawn[p.Business] = false
				if e.Expires.After(ends[p.Business]) {
					ends[p.Business] = e.Expires
				}
			case "automatic":
				e := f.grant(id, p)
				e.At, e.Automatic = e.At.Add(skew), true
				f.record(t, e)
				withdrawn[p.Business] = false
			case "withdraw":
				for _, u := range users {
					_, err := f.Apply(t.Context(), permissions.Change{
						Kind: permissions.Revoked, Pair: permissions.Pair{Business: p.Business, User: u}, Actor: "ops", Reason: "test",
					})
					require.NoError(t, err)
				}
				withdrawn[p.Business] = true
			case "read":
				f.advance(time.Second * time.Duration(rapid.IntRange(0, 60).Draw(rt, "later")))
				if at := ends[p.Business]; !at.IsZero() {
					f.read(t, p, temporary(at))
				}
			case "reject":
				e := f.grant(id, p)
				e.At, e.Kind = e.At.Add(skew), permissions.Declined
				f.record(t, e)
			case "stop":
				e := f.says(id, p, "stop calls")
				e.At = e.At.Add(skew)
				f.record(t, e)
				*known[i] = consent{barred: true}
			case "list":
				require.NoError(t, f.AddDoNotCall(t.Context(), p.User, "ops", "test"))
				*known[i] = consent{barred: true}
			case "lift":
				err := f.RemoveDoNotCall(t.Context(), p.User, "ops", "test")
				require.Equal(rt, known[i].barred, err == nil, "%v", err)
				if known[i].barred {
					*known[i] = consent{anew: true}
				}
			case "link":
				e := f.says(id, p, "hello")
				e.Aliases = users
				f.record(t, e)
				// What was lifted for one address and granted by the other is in
				// the order of the clocks, for want of a better one.
				both := &consent{barred: known[0].barred || known[1].barred}
				known[0], known[1] = both, both
			case "clock":
				f.advance(time.Second * time.Duration(rapid.IntRange(-3600, 7200).Draw(rt, "step")))
			case "call":
				ticket, d := f.authorize(t, p, id)
				if ticket == nil {
					continue
				}
				allowed++
				f.settle(t, ticket, permissions.OutcomeUnanswered)
				require.False(rt, known[i].barred, "opted out: %+v", d)
				require.False(rt, withdrawn[p.Business], "withdrawn by an operator: %+v", d)
				require.False(rt, known[i].anew, "nothing granted since the lifting: %+v", d)
			}
		}
	})
	require.Positive(t, allowed)
}
