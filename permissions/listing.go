package permissions

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/callctl/callctl/geo"
)

// The bounds of a page.
const (
	defaultLimit = 100
	maxLimit     = 1000
)

// Page bounds a listing: at most Limit lines (100 when not positive, 1000 at
// most) after Cursor, which a previous page handed out.
type Page struct {
	Limit  int
	Cursor string
}

// Size is the number of lines that the page may hold.
func (p Page) Size() int {
	if p.Limit <= 0 {
		return defaultLimit
	}
	return min(p.Limit, maxLimit)
}

// cursorOf packs the key of a page's last line; it means nothing to others.
func cursorOf(parts ...string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strings.Join(parts, "\x00")))
}

// parse unpacks a cursor into its two parts, both "" for the first page.
func (p Page) parse() (first, second string, err error) {
	if p.Cursor == "" {
		return "", "", nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(p.Cursor)
	first, second, ok := strings.Cut(string(raw), "\x00")
	if err != nil || !ok {
		return "", "", ErrCursor
	}
	return first, second, nil
}

// Permission is the state of a pair now.
func (l *Ledger) Permission(ctx context.Context, p Pair) (Permission, error) {
	var s Permission
	err := l.snapshot(ctx, func(ctx context.Context, q querier) error {
		v, err := l.load(ctx, q, p)
		if err != nil {
			return err
		}
		now := l.cfg.Now().UTC()
		s = project(v.pair, v.subject, v.events, l.pack(v.pair.Business, now), now)
		return nil
	})
	return s, err
}

// Permissions lists the state of every pair of a business (all when empty), by
// cursor; next is empty on the last page. User is "" for whoever has no address any
// more.
func (l *Ledger) Permissions(ctx context.Context, business geo.E164, p Page) (list []Permission, next string, err error) {
	after, subject, err := p.parse()
	if err != nil {
		return nil, "", err
	}
	if n, err := geo.Parse(string(business)); err == nil {
		business = n
	}
	size := p.Size()
	err = l.snapshot(ctx, func(ctx context.Context, q querier) error {
		keys, err := pairKeys(ctx, q, after, subject, string(business), size+1)
		if err != nil {
			return err
		}
		if len(keys) > size {
			keys = keys[:size]
			next = cursorOf(string(keys[size-1].business), keys[size-1].subject)
		}
		now := l.cfg.Now().UTC()
		for _, k := range keys {
			user, err := l.addressIfAny(ctx, q, k.subject)
			if err != nil {
				return err
			}
			events, err := l.pairEvents(ctx, q, k.subject, k.business)
			if err != nil {
				return err
			}
			list = append(list, project(Pair{Business: k.business, User: user}, k.subject, events, l.pack(k.business, now), now))
		}
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	return list, next, nil
}

// addressIfAny is the first address of a subject, "" for one that has none any more,
// such as after the platform changed a user id to and fro: what is recorded of them
// is listed all the same, and keeps nobody else from being listed.
func (l *Ledger) addressIfAny(ctx context.Context, q querier, subject string) (User, error) {
	user, err := l.addressOf(ctx, q, subject)
	if errors.Is(err, ErrUser) {
		return "", nil
	}
	return user, err
}

type pairKey struct {
	business geo.E164
	subject  string
}

func pairKeys(ctx context.Context, q querier, after, subject, business string, limit int) (keys []pairKey, err error) {
	query, args := selectPairs, []any{after, subject, limit}
	if business != "" {
		if after != "" && after != business {
			return nil, ErrCursor
		}
		query, args = selectPairsOf, []any{business, subject, limit}
	}
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("list permissions: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var k pairKey
		if err := rows.Scan(&k.business, &k.subject); err != nil {
			return nil, fmt.Errorf("list permissions: %w", err)
		}
		keys = append(keys, k)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list permissions: %w", err)
	}
	return keys, nil
}

// Recorded is an event with its place in the audit.
type Recorded struct {
	Event
	AuditIndex int64 `json:"auditIndex"`
}

// Events is the history of a pair in the order in which its facts became known,
// that of the audit index, with the user's opt-outs towards any business. It is
// not sorted by time: providers give whole seconds, and a reply would stand
// before the request of the same second that it answers. Texts are left out:
// only the audit holds them.
func (l *Ledger) Events(ctx context.Context, p Pair) ([]Recorded, error) {
	p = p.Canonical()
	var out []Recorded
	err := l.snapshot(ctx, func(ctx context.Context, q querier) error {
		subject, err := subjectOf(ctx, q, p.User)
		if err != nil || subject == "" {
			return err
		}
		out, err = scanEvents(ctx, q, selectPairEvents, subject, string(p.Business))
		return err
	})
	for i := range out {
		out[i].Pair.User = p.User
	}
	return out, err
}

// DoNotCallList lists the entries by cursor, the oldest first. User is "" for whoever
// has no address any more.
func (l *Ledger) DoNotCallList(ctx context.Context, p Page) (list []DoNotCallEntry, next string, err error) {
	since, rest, err := p.parse()
	if err != nil {
		return nil, "", err
	}
	after := int64(-1)
	if p.Cursor != "" {
		if after, err = strconv.ParseInt(since, 10, 64); err != nil {
			return nil, "", ErrCursor
		}
	}
	err = l.snapshot(ctx, func(ctx context.Context, q querier) error {
		list, next, err = l.doNotCallPage(ctx, q, after, rest, p.Size())
		return err
	})
	if err != nil {
		return nil, "", err
	}
	return list, next, nil
}

// doNotCallPage reads a page after an entry, which its time, subject, brand and
// purpose name: a user can have several of one instant.
func (l *Ledger) doNotCallPage(ctx context.Context, q querier, after int64, rest string, size int) ([]DoNotCallEntry, string, error) {
	subject, rest, _ := strings.Cut(rest, "\x00")
	brand, purpose, _ := strings.Cut(rest, "\x00")
	list, subjects, err := entries(ctx, q, after, subject, brand, purpose, size+1)
	if err != nil {
		return nil, "", err
	}
	next := ""
	if len(list) > size {
		list = list[:size]
		last := list[size-1]
		next = cursorOf(strconv.FormatInt(last.Since.UnixMilli(), 10), subjects[size-1], last.Brand, last.Purpose)
	}
	for i := range list {
		if list[i].User, err = l.addressIfAny(ctx, q, subjects[i]); err != nil {
			return nil, "", err
		}
	}
	return list, next, nil
}

func entries(ctx context.Context, q querier, after int64, subject, brand, purpose string, limit int) (list []DoNotCallEntry, subjects []string, err error) {
	rows, err := q.QueryContext(ctx, selectDNCPage, after, subject, brand, purpose, limit)
	if err != nil {
		return nil, nil, fmt.Errorf("list do-not-call: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		e, s, err := scanEntry(rows)
		if err != nil {
			return nil, nil, fmt.Errorf("list do-not-call: %w", err)
		}
		list, subjects = append(list, e), append(subjects, s)
	}
	if err := rows.Err(); err != nil {
		return nil, nil, fmt.Errorf("list do-not-call: %w", err)
	}
	return list, subjects, nil
}
