package permissions

import (
	"context"
	"fmt"
	"slices"

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
	id = l.cfg.NewID()
	if _, err := tx.ExecContext(ctx, insertSubject, id, tx.Now().UnixMilli()); err != nil {
		return "", fmt.Errorf("create subject: %w", err)
	}
	return id, addAlias(ctx, tx, u, id)
}

func addAlias(ctx context.Context, tx *audit.Tx, u User, subject string) error {
	if _, err := tx.ExecContext(ctx, insertAlias, string(u), subject, tx.Now().UnixMilli()); err != nil {
		return fmt.Errorf("store alias: %w", err)
	}
	return nil
}

// identify finds or creates the one subject of all addresses of an event. When
// they belonged to several, these are merged.
func (l *Ledger) identify(ctx context.Context, tx *audit.Tx, e *Event) (subject string, merged bool, err error) {
	addresses := []User{e.Pair.User}
	for _, a := range e.Aliases {
		if a = a.canonical(); a != "" && !slices.Contains(addresses, a) {
			addresses = append(addresses, a)
		}
	}
	e.Aliases = addresses[1:]
	var subjects []string
	var unknown []User
	for _, a := range addresses {
		id, err := subjectOf(ctx, tx, a)
		switch {
		case err != nil:
			return "", false, err
		case id == "":
			unknown = append(unknown, a)
		case !slices.Contains(subjects, id):
			subjects = append(subjects, id)
		}
	}
	switch len(subjects) {
	case 0:
		if subject, err = l.EnsureSubject(ctx, tx, unknown[0]); err != nil {
			return "", false, err
		}
		unknown = unknown[1:]
	case 1:
		subject = subjects[0]
	default:
		if subject, err = l.merge(ctx, tx, subjects); err != nil {
			return "", false, err
		}
	}
	for _, a := range unknown {
		if err := addAlias(ctx, tx, a, subject); err != nil {
			return "", false, err
		}
	}
	return subject, len(subjects) > 1, nil
}

// merge makes one subject of several that turned out to be one person, the
// oldest. Their events become one set, so that an opt-out of either holds for
// both; the projections are refreshed by the caller. Attempts keep the subject
// that they were reserved under.
func (l *Ledger) merge(ctx context.Context, tx *audit.Tx, subjects []string) (string, error) {
	keep, oldest, listed := "", int64(0), ""
	for _, s := range subjects {
		if e, ok, err := entryOf(ctx, tx, s); err != nil {
			return "", err
		} else if ok {
			listed = e.Event
		}
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
	if err := l.refreshDoNotCall(ctx, tx, keep); err != nil {
		return "", err
	}
	return keep, l.relist(ctx, tx, keep, listed)
}

// relist keeps a person on the do-not-call list of whom one subject was on it,
// by the event listed, when the lifting of another subject's entry would take
// them off: that lifting was no word about an address not known to be theirs.
func (l *Ledger) relist(ctx context.Context, tx *audit.Tx, subject, listed string) error {
	if listed == "" {
		return nil
	}
	if _, ok, err := entryOf(ctx, tx, subject); err != nil || ok {
		return err
	}
	user, err := l.addressOf(ctx, tx, subject)
	if err != nil {
		return err
	}
	_, err = l.record(ctx, tx, Event{
		ID: "callctl/dnc/" + l.cfg.NewID(), Kind: OptedOut, Pair: Pair{User: user}, At: tx.Now(), Auth: AuthSelf,
		Reason: "another address of the user was put on the list by " + listed,
	})
	return err
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
