package permissions

import "context"

// OpenAttempts lists the calls whose attempt has no outcome yet, the oldest
// first. Before Recover they are those that an earlier process left behind.
func (l *Ledger) OpenAttempts(ctx context.Context) ([]string, error) {
	return column[string](ctx, l.cfg.Read, selectOpenAttempts)
}
