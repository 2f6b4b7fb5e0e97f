package sipbridge_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/sipbridge"
	"github.com/callctl/callctl/testbed/pbx"
)

// lateGate allows a call whose user opts out right after: before the bridge has a
// call that an opt-out could end.
type lateGate struct {
	*fakeGate

	optOut func()
}

func (g *lateGate) Authorize(ctx context.Context, a sipbridge.Attempt) (sipbridge.Ticket, error) {
	t, err := g.fakeGate.Authorize(ctx, a)
	g.set(nil, refusal{reason: "do_not_call"})
	g.optOut()
	return t, err
}

func TestOptOutBeforeTheCallIsKnown(t *testing.T) {
	p := newPBX(t, "udp", pbx.Extension{Then: "ignore"})
	gate := &lateGate{}
	r := newRig(t, trunkOf(p, "udp"), func(c *sipbridge.Config) {
		gate.fakeGate, _ = c.Gate.(*fakeGate)
		c.Gate = gate
	})
	gate.optOut = func() { require.Zero(t, r.bridge.HangUpUser("do_not_call", user)) }
	id, results := r.call(sipbridge.Originate{Order: sipbridge.AgentFirst})
	require.Equal(t, sipbridge.Result{CallID: id, Outcome: "refused", Cause: "do_not_call"}, r.wait(results))
	require.Empty(t, p.Calls(), "no agent is rung for a user who opted out")
	require.Zero(t, r.carrier.count("connect"))
}
