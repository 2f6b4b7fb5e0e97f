package permissions

import (
	"context"
	"fmt"

	"github.com/callctl/callctl/compliance/audit"
)

// Subject resolves a user to the opaque id under which the audit knows them;
// ok is false when the ledger has never seen the user.
func (l *Ledger) Subject(ctx context.Context, u User) (id string, ok bool, err error) {
	id, err = subjectOf(ctx, l.cfg.Read, u.canonical())
	return id, id != "", err
}

// Subjects are all opaque ids under which the audit knows a user: the one of
// [Ledger.Subject] and those that turned out to be the same person, oldest
// first. It is empty when the ledger has never seen the user.
func (l *Ledger) Subjects(ctx context.Context, u User) ([]string, error) {
	id, err := subjectOf(ctx, l.cfg.Read, u.canonical())
	if err != nil || id == "" {
		return nil, err
	}
	return column[string](ctx, l.cfg.Read, selectFamily, id, id)
}

// EnsureSubject is Subject that creates the id when there is none, in tx.
func (l *Ledger) EnsureSubject(ctx context.Context, tx *audit.Tx, u User) (string, error) {
	u = u.canonical()
	if u == "" {
		return "", ErrUser
	}
	id, err := subjectOf(ctx, tx, u)
	if err != nil || id != "" {
		return id, err
	}
	if id, err = l.newSubject(ctx, tx); err != nil {
		return "", err
	}
	return id, l.addAlias(ctx, tx, u, id, l.orderedID(tx))
}

// randomPart is how many hex digits of an ordered id cannot be guessed: 80 bits.
const randomPart = 20

// orderedID makes the id of a subject or the name of an address. It begins with the
// time, which the audit shows anyhow, so that the indexes by it grow at one end and
// not everywhere.
func (l *Ledger) orderedID(tx *audit.Tx) string {
	random := l.cfg.NewID()
	return fmt.Sprintf("%012x%s", tx.Now().UnixMilli(), random[:min(len(random), randomPart)])
}

// newSubject creates a subject.
func (l *Ledger) newSubject(ctx context.Context, tx *audit.Tx) (string, error) {
	id := l.orderedID(tx)
	if _, err := tx.ExecContext(ctx, insertSubject, id, tx.Now().UnixMilli()); err != nil {
		return "", fmt.Errorf("create subject: %w", err)
	}
	return id, nil
}

// merge makes one subject of several that turned out to be one person, the
// oldest. Their events become one set, so that an opt-out of either holds for
// both, until it is lifted itself; the projections are refreshed by the caller.
// Attempts keep the subject that they were reserved under.
func (l *Ledger) merge(ctx context.Context, tx *audit.Tx, subjects []string) (string, error) {
	keep, oldest := "", int64(0)
	for _, s := range subjects {
		var created int64
		if err := tx.QueryRowContext(ctx, selectSubjectAge, s).Scan(&created); err != nil {
			return "", fmt.Errorf("read subject: %w", err)
		}
		if keep == "" || created < oldest || created == oldest && s < keep {
			keep, oldest = s, created
		}
	}
	for _, s := range subjects {
		if s == keep {
			continue
		}
		if err := mergeInto(ctx, tx, keep, s); err != nil {
			return "", err
		}
		payload := struct {
			From string `json:"from"`
			Into string `json:"into"`
		}{s, keep}
		if _, err := tx.Append(ctx, audit.Record{Kind: "subject.merged", Subject: keep, Payload: payload}); err != nil {
			return "", fmt.Errorf("audit merge: %w", err)
		}
	}
	return keep, l.refreshDoNotCall(ctx, tx, keep)
}

// mergeInto re-points all that hangs on a subject. Where both had a projection
// of one business, the one kept remembers any grant and forgets any opt-out, so
// that the refresh sees permission narrow.
func mergeInto(ctx context.Context, tx *audit.Tx, keep, gone string) error {
	steps := []struct {
		query string
		args  []any
	}{
		{mergeAliases, []any{keep, gone}},
		{mergeFormer, []any{keep, gone}},
		{moveSightings, []any{keep, gone}},
		{dropSightings, []any{gone}},
		{moveReceipts, []any{keep, gone}},
		{dropReceipts, []any{gone}},
		{mergeEvents, []any{keep, gone}},
		{mergeCopyPairs, []any{keep, gone}},
		{mergeDropPairs, []any{gone}},
		{mergeDropDNC, []any{gone}},
		{mergeSubjects, []any{keep, gone, gone}},
	}
	for _, step := range steps {
		if _, err := tx.ExecContext(ctx, step.query, step.args...); err != nil {
			return fmt.Errorf("merge subjects: %w", err)
		}
	}
	return nil
}
