package permissions

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/callctl/callctl/compliance/audit"
)

// The sources of a do-not-call entry.
const (
	sourceMessage = "message"
	sourceAPI     = "api"
	sourceImport  = "import"
	sourceMerge   = "merge"
)

// DoNotCallEntry is a line of the do-not-call list.
type DoNotCallEntry struct {
	User   User      `json:"user"`
	Since  time.Time `json:"since"`
	Source string    `json:"source"` // message, api, import, merge
	Actor  string    `json:"actor,omitempty"`
	Reason string    `json:"reason,omitempty"`
	Event  string    `json:"event"`
	// Scope is how far the entry reaches: all, the numbers of Brand, or their calls
	// of Purpose.
	Scope   Scope  `json:"scope"`
	Brand   string `json:"brand,omitempty"`
	Purpose string `json:"purpose,omitempty"`
}

// refreshDoNotCall brings a subject's lines of the list up to date with the
// opt-outs that are in force.
func (l *Ledger) refreshDoNotCall(ctx context.Context, tx *audit.Tx, subject string) error {
	events, err := readEvents(ctx, tx, selectOptOuts, subject)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, deleteDNC, subject); err != nil {
		return fmt.Errorf("store do-not-call: %w", err)
	}
	for _, o := range fold(events).entries() {
		brand, purpose := o.listing()
		_, err := tx.ExecContext(ctx, upsertDNC, subject, brand, purpose, o.At.UnixMilli(), o.source(), o.Actor, o.Reason, o.ID)
		if err != nil {
			return fmt.Errorf("store do-not-call: %w", err)
		}
	}
	return nil
}

// entries are the first opt-outs in force of each reach: an entry dates from
// there, however often it was repeated.
func (h *history) entries() []*Event {
	var out []*Event
	for _, o := range h.listed {
		brand, purpose := o.listing()
		if !slices.ContainsFunc(out, func(e *Event) bool {
			b, p := e.listing()
			return b == brand && p == purpose
		}) {
			out = append(out, o)
		}
	}
	return out
}

// listing is the brand and the purpose that an opt-out reaches, "" for all.
func (e *Event) listing() (brand, purpose string) {
	switch e.Scope {
	case ScopeBrand:
		return e.Brand, ""
	case ScopePurpose:
		return e.Brand, e.Purpose
	case ScopeAll:
	}
	return "", ""
}

// source says how an opt-out came.
func (e *Event) source() string {
	switch e.Auth {
	case AuthOperator:
		return sourceAPI
	case AuthImport:
		return sourceImport
	case AuthSelf:
		return sourceMerge
	default:
		return sourceMessage
	}
}

// DoNotCall returns the user's entry, ok false when there is none.
func (l *Ledger) DoNotCall(ctx context.Context, u User) (DoNotCallEntry, bool, error) {
	return doNotCall(ctx, l.cfg.Read, u.canonical())
}

func doNotCall(ctx context.Context, q querier, u User) (DoNotCallEntry, bool, error) {
	subject, err := subjectOf(ctx, q, u)
	if err != nil || subject == "" {
		return DoNotCallEntry{}, false, err
	}
	e, ok, err := entryOf(ctx, q, subject)
	e.User = u
	return e, ok, err
}

// entryOf is a subject's line of the list, without the user.
func entryOf(ctx context.Context, q querier, subject string) (DoNotCallEntry, bool, error) {
	e, _, err := scanEntry(q.QueryRowContext(ctx, selectDNC, subject))
	if errors.Is(err, sql.ErrNoRows) {
		return DoNotCallEntry{}, false, nil
	}
	if err != nil {
		return DoNotCallEntry{}, false, fmt.Errorf("read do-not-call: %w", err)
	}
	return e, true, nil
}

func scanEntry(row interface{ Scan(dest ...any) error }) (e DoNotCallEntry, subject string, err error) {
	var since int64
	err = row.Scan(&subject, &e.Brand, &e.Purpose, &since, &e.Source, &e.Actor, &e.Reason, &e.Event)
	e.Since, e.Scope = time.UnixMilli(since).UTC(), ScopeAll
	switch {
	case e.Purpose != "":
		e.Scope = ScopePurpose
	case e.Brand != "":
		e.Scope = ScopeBrand
	}
	return e, subject, err
}
