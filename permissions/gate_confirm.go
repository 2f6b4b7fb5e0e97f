package permissions

import "context"

// reconfirm asks the gate once more about a reserved attempt, right before its
// dial: the same rules over the state of now. What differs is that the attempt
// itself is counted against nothing, and that it has to stand: still open, under a
// permission that nobody took away since. Quiet hours are asked again too. An agent
// who takes long to answer can carry a call past their beginning, and what they
// forbid is the ringing of the user's phone, not the decision to let it ring.
func (l *Ledger) reconfirm(ctx context.Context, t *Ticket) (Decision, *evaluation, error) {
	var d Decision
	var e *evaluation
	err := l.snapshot(ctx, func(ctx context.Context, q querier) error {
		now := l.cfg.Now().UTC()
		ask := Query{Pair: t.pair, Action: StartCall, Purpose: t.attempt.Purpose}
		v, err := l.view(ctx, q, ask, now)
		if err != nil {
			return err
		}
		if v.open, err = l.openOf(ctx, q, t, v); err != nil {
			return err
		}
		d, e = l.answer(&question{ledger: l, v: v, q: ask, h: fold(v.events), confirm: t}, now)
		return nil
	})
	return d, e, err
}

// openOf is the call of the user's open attempt: that of the ticket when it is
// still open, under whatever subject it was reserved.
func (l *Ledger) openOf(ctx context.Context, q querier, t *Ticket, v *view) (string, error) {
	open, err := exists(ctx, q, selectAttemptOpen, t.attempt.CallID)
	if open {
		return t.attempt.CallID, err
	}
	return v.open, err
}

// attemptStands refuses an attempt whose permission was taken away since it was
// reserved, also when another grant has come in its place, and one that has ended.
// An expiry and an opt-out keep their own reasons.
func (e *evaluation) attemptStands() {
	was := e.confirm.decision
	open := e.v.open == e.confirm.attempt.CallID
	taken := e.s.Reason != Allowed && e.s.Reason != PermissionExpired && e.s.Reason != DoNotCall
	replaced := e.s.Epoch != was.Epoch && e.s.Grant != was.Grant
	in := map[string]string{"decision": was.ID, "grant": was.Grant, "standing": e.s.Grant, "open": "no"}
	if open {
		in["open"] = "yes"
	}
	e.add(line{name: "attempt_stands", refused: !open || taken || replaced, reason: Superseded, source: sourceReservation, inputs: in})
}
