package permissions

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/geo"
)

// querier is what a read needs: a pool, a transaction or a snapshot.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// view is everything that a decision looks at, read in one snapshot.
type view struct {
	pair      Pair // canonical
	business  Business
	known     bool // the business is one of ours
	subject   string
	addresses []User // every address of the user, the asked one first
	events    []Event
	open      string // call id of the attempt in progress
	number    *number
	template  TemplateState // that a request names, empty when it names none
}

// view reads what a query's decision looks at. A query about a time before now is
// answered by the facts dated up to it.
func (l *Ledger) view(ctx context.Context, q querier, ask Query, now time.Time) (*view, error) {
	v, err := l.load(ctx, q, ask.Pair)
	if err != nil {
		return nil, err
	}
	past := !ask.At.IsZero() && ask.At.Before(now)
	if past {
		v.events = slices.DeleteFunc(v.events, func(e Event) bool { return e.At.After(ask.At) })
		v.open = unsettled(v.events)
	}
	return v, v.readNotices(ctx, q, ask, past)
}

// unsettled is the call of the attempt that the events leave open, "" for none.
func unsettled(events []Event) string {
	for _, e := range events {
		settles := func(o Event) bool { return o.Kind == Settled && o.CallID == e.CallID }
		if e.Kind == Attempted && !slices.ContainsFunc(events, settles) {
			return e.CallID
		}
	}
	return ""
}

// readNotices reads what is known of our number and of the request's template.
func (v *view) readNotices(ctx context.Context, q querier, ask Query, past bool) error {
	query, args := selectAspects, []any{string(v.pair.Business)}
	if past {
		query, args = selectNoticesUntil, append(args, ask.At.UnixMilli())
	}
	words, err := scanNotices(ctx, q, query, args...)
	if err != nil {
		return err
	}
	v.number = foldNumber(words)
	v.template.Name = ask.Template
	if ask.Action != RequestPermission || ask.Template == "" {
		return nil
	}
	about, err := scanNotices(ctx, q, selectTemplateNotices, string(v.pair.Business), noticed(ask.Template))
	if err != nil {
		return err
	}
	if past {
		about = slices.DeleteFunc(about, func(n Notice) bool { return n.At.After(ask.At) })
	}
	v.template = foldTemplate(ask.Template, about)
	return nil
}

// noticed is name/language as notices write it, with Meta's underscore in the
// language: "en-US" and "en_US" are one, "en" is another.
func noticed(template string) string {
	i := strings.LastIndexByte(template, '/') + 1
	if i == 0 {
		return template
	}
	return template[:i] + strings.ReplaceAll(template[i:], "-", "_")
}

// load reads the view of a pair.
func (l *Ledger) load(ctx context.Context, q querier, p Pair) (*view, error) {
	p = p.Canonical()
	v := &view{pair: p, addresses: []User{p.User}}
	v.business, v.known = l.businesses[p.Business]
	subject, err := subjectOf(ctx, q, p.User)
	if err != nil || subject == "" {
		return v, err
	}
	v.subject = subject
	aliases, err := aliasesOf(ctx, q, subject)
	if err != nil {
		return nil, err
	}
	for _, a := range aliases {
		if a != p.User {
			v.addresses = append(v.addresses, a)
		}
	}
	if v.events, err = l.pairEvents(ctx, q, subject, p.Business); err != nil {
		return nil, err
	}
	v.open, err = openAttempt(ctx, q, subject, p.Business)
	return v, err
}

// snapshot runs f over one consistent view of the database. ctx bounds the wait for
// a connection; the context given to f does not end.
func (l *Ledger) snapshot(ctx context.Context, f func(ctx context.Context, q querier) error) error {
	return audit.Snapshot(ctx, l.cfg.Read, func(ctx context.Context, q audit.Querier) error { return f(ctx, q) })
}

func subjectOf(ctx context.Context, q querier, u User) (string, error) {
	var subject string
	err := q.QueryRowContext(ctx, selectSubject, string(u)).Scan(&subject)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("read subject: %w", err)
	}
	return subject, nil
}

func aliasesOf(ctx context.Context, q querier, subject string) ([]User, error) {
	return column[User](ctx, q, selectAliases, subject)
}

func openAttempt(ctx context.Context, q querier, subject string, business geo.E164) (string, error) {
	var call string
	err := q.QueryRowContext(ctx, selectOpenAttempt, string(business), subject, subject).Scan(&call)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("read open attempt: %w", err)
	}
	return call, nil
}

func scanEvents(ctx context.Context, q querier, query string, args ...any) (out []Recorded, err error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var r Recorded
		var body []byte
		if err := rows.Scan(&r.AuditIndex, &r.Pair.Business, &body); err != nil {
			return nil, fmt.Errorf("read events: %w", err)
		}
		if err := json.Unmarshal(body, &r.Event); err != nil {
			return nil, fmt.Errorf("read event %d: %w", r.AuditIndex, err)
		}
		out = append(out, r)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	return out, nil
}

// column reads all rows of a query with one text column.
func column[T ~string](ctx context.Context, q querier, query string, args ...any) (out []T, err error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read ledger: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, fmt.Errorf("read ledger: %w", err)
		}
		out = append(out, T(s))
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read ledger: %w", err)
	}
	return out, nil
}
