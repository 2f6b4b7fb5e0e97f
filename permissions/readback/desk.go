package readback

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/callctl/callctl/permissions"
)

// asking is how long one question of the background may take; a dial's is bounded
// by the reader's patience.
const asking = 15 * time.Second

// desk is where the questions about one account are asked.
type desk struct {
	account Account
	cfg     *Config
	turn    *turnstile
	flights *flights
	recent  *recent
	refused *refusals
	debt    *debt
}

func newDesk(a Account, cfg *Config) *desk {
	return &desk{
		account: a, cfg: cfg, turn: newTurnstile(a.Rate), flights: newFlights(),
		recent: newRecent(), refused: newRefusals(), debt: newDebt(),
	}
}

// beforeDial asks about a pair if a dial of it would rest on a doubt.
func (d *desk) beforeDial(ctx context.Context, p permissions.Pair) error {
	why, err := d.cfg.Ledger.Doubtful(ctx, p)
	if err != nil {
		d.cfg.Logger.ErrorContext(ctx, "whether a permission is in doubt cannot be read",
			"account", d.account.Name, "pair", p, "error", err)
		return fmt.Errorf("read doubt: %w", err)
	}
	if why == permissions.NoDoubt && d.debt.owed() {
		why = permissions.DoubtReconcile // its turn in the run has perhaps not come
	}
	if why == permissions.NoDoubt || seldom(why) && d.recent.has(p, d.cfg.Now()) {
		return nil
	}
	state, err := d.ask(ctx, p, why, true)
	if err != nil {
		return err
	}
	// A permission that the provider knows and the rule pack does not take is asked
	// about as rarely as none.
	if seldom(why) || state.Status == permissions.StatusNone {
		d.recent.remember(p, d.cfg.Now())
	}
	return nil
}

// seldom is true for the doubts that an answer does not settle.
func seldom(why permissions.Doubt) bool {
	return why == permissions.DoubtUnheard || why == permissions.DoubtReconcile
}

// ask asks about a pair in its turn, first for those that a dial waits for, and
// records the answer. A failure is logged.
func (d *desk) ask(ctx context.Context, p permissions.Pair, why permissions.Doubt, first bool) (permissions.ProviderState, error) {
	began := time.Now()
	state, err := d.question(ctx, p, why, first)
	d.cfg.Asked(Question{Account: d.account.Name, Why: why, Status: state.Status, Err: err, Took: time.Since(began)})
	if errors.Is(ctx.Err(), context.Canceled) && err != nil {
		return state, err // nobody waits any more
	}
	if err != nil {
		d.cfg.Logger.WarnContext(ctx, "permission not read back",
			"account", d.account.Name, "pair", p, "why", string(why), "error", err)
		return state, err
	}
	d.cfg.Logger.DebugContext(ctx, "permission read back",
		"account", d.account.Name, "pair", p, "why", string(why), "status", string(state.Status))
	return state, nil
}

func (d *desk) question(ctx context.Context, p permissions.Pair, why permissions.Doubt, first bool) (permissions.ProviderState, error) {
	if err := d.turn.pass(ctx, first); err != nil {
		return permissions.ProviderState{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, asking)
	defer cancel()
	asked := d.cfg.Now()
	state, err := d.account.Source.ReadPermission(ctx, p.User)
	if err != nil {
		if wait, yes := throttled(err); yes {
			d.turn.shut(wait)
		}
		return permissions.ProviderState{}, fmt.Errorf("ask provider: %w", err)
	}
	d.turn.open()
	state.Asked = asked
	if err := d.cfg.Ledger.Read(ctx, p, state, why); err != nil {
		return state, fmt.Errorf("record answer: %w", err)
	}
	return state, nil
}

// answerRefused asks about the pairs whose calls the provider refused, until ctx
// ends. A question that fails is not repeated: the doubt stands in the ledger, and
// the next dial asks.
func (d *desk) answerRefused(ctx context.Context) {
	for {
		p, ok := d.refused.next(ctx)
		if !ok {
			return
		}
		_, _ = d.ask(ctx, p, permissions.DoubtRefused, false) // logged there
	}
}
