package permissions

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/geo"
)

// noticeAuditKind names the audit entry of each kind of notice, "" for a kind that
// does not exist.
func (n *Notice) auditKind() string {
	switch n.Kind {
	case Restriction:
		if n.Type == "" {
			return "number.notice" // of sending, not of calling: it restricts nothing here
		}
		return "number.restricted"
	case Quality:
		return "number.quality"
	case TemplateStatus:
		return "template.status"
	case TemplateQuality:
		return "template.quality"
	case TemplateCategory, TemplateWarned:
		return "template.category"
	case Violation, RestrictionsRead, Settings, AccountNews, Unable:
		return "number.notice"
	}
	return ""
}

// RecordNotices stores notices within a transaction of the caller; duplicates (by
// ID) change nothing. It returns how many were new. Errors wrap [ErrEvent]: a
// notice needs an id, a known kind and a business, one about a template its name;
// then the caller's transaction has to be undone. A notice that names an account
// of the configuration but no business is about that account's number.
func (l *Ledger) RecordNotices(ctx context.Context, tx *audit.Tx, notices ...Notice) (int, error) {
	fresh := 0
	for _, n := range notices {
		added, err := l.recordNotice(ctx, tx, n)
		if err != nil {
			return 0, err
		}
		if added {
			fresh++
		}
	}
	return fresh, nil
}

func (l *Ledger) recordNotice(ctx context.Context, tx *audit.Tx, n Notice) (bool, error) {
	if err := l.completeNotice(&n, tx.Now()); err != nil {
		return false, err
	}
	if seen, err := exists(ctx, tx, selectNoticeSeen, n.ID); err != nil || seen {
		return false, err
	}
	index, err := tx.Append(ctx, audit.Record{Kind: n.auditKind(), Payload: n})
	if err != nil {
		return false, fmt.Errorf("audit notice: %w", err)
	}
	body, err := json.Marshal(n)
	if err != nil {
		return false, fmt.Errorf("encode notice: %w", err)
	}
	_, err = tx.ExecContext(ctx, insertNotice, index, n.ID, string(n.Business), string(n.Kind), n.Template, n.At.UnixMilli(), string(body))
	if err != nil {
		return false, fmt.Errorf("store notice: %w", err)
	}
	for _, aspect := range n.aspects() {
		if err := settleAspect(ctx, tx, &n, aspect, index); err != nil {
			return false, err
		}
	}
	return true, nil
}

// completeNotice checks a notice's identity and fixes its times as those of events
// are fixed: milliseconds, UTC, and not ahead of our clock by more than any clock is.
func (l *Ledger) completeNotice(n *Notice, now time.Time) error {
	if number, err := geo.Parse(string(n.Business)); err == nil {
		n.Business = number
	}
	if n.Business == "" {
		n.Business = l.numberOf(n.Account)
	}
	if n.Account == "" {
		n.Account = l.businesses[n.Business].Account
	}
	switch {
	case n.ID == "":
		return fmt.Errorf("%w: notice without id", ErrEvent)
	case n.auditKind() == "":
		return fmt.Errorf("%w: unknown kind of notice %q", ErrEvent, n.Kind)
	case n.Business == "":
		return fmt.Errorf("%w: notice about no business", ErrEvent)
	case n.Template == "" && (n.Kind == TemplateStatus || n.Kind == TemplateQuality || n.Kind == TemplateCategory || n.Kind == TemplateWarned):
		return fmt.Errorf("%w: %s without template", ErrEvent, n.Kind)
	}
	n.Received = now.UTC().Truncate(time.Millisecond)
	n.At = n.At.UTC().Truncate(time.Millisecond)
	if n.At.IsZero() || n.At.After(n.Received.Add(maxAhead)) {
		n.At = n.Received
	}
	if !n.Until.IsZero() {
		n.Until = n.Until.UTC()
	}
	return nil
}

// numberOf is the number of a configured account, "" when there is none.
func (l *Ledger) numberOf(account string) geo.E164 {
	for number, b := range l.businesses {
		if account != "" && b.Account == account {
			return number
		}
	}
	return ""
}

// settleAspect lets the notice have the last word on an aspect of its number when
// it comes after the one that has it, however late it arrives.
func settleAspect(ctx context.Context, tx *audit.Tx, n *Notice, aspect string, index int64) error {
	var body []byte
	err := tx.QueryRowContext(ctx, selectAspect, string(n.Business), aspect).Scan(&body)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("read notice: %w", err)
	}
	if err == nil {
		var last Notice
		if err := json.Unmarshal(body, &last); err != nil {
			return fmt.Errorf("read notice: %w", err)
		}
		if compareNotices(&last, n) > 0 {
			return nil
		}
	}
	if _, err := tx.ExecContext(ctx, upsertAspect, string(n.Business), aspect, index); err != nil {
		return fmt.Errorf("store notice: %w", err)
	}
	return nil
}

// scanNotices reads notices from a query with their bodies.
func scanNotices(ctx context.Context, q querier, query string, args ...any) ([]Notice, error) {
	bodies, err := column[string](ctx, q, query, args...)
	if err != nil {
		return nil, err
	}
	out := make([]Notice, len(bodies))
	for i, body := range bodies {
		if err := json.Unmarshal([]byte(body), &out[i]); err != nil {
			return nil, fmt.Errorf("read notice: %w", err)
		}
	}
	return out, nil
}

// Notices is the history of one of our numbers, the oldest first, by cursor.
// [ErrBusiness] when it is none of ours.
func (l *Ledger) Notices(ctx context.Context, business geo.E164, p Page) (list []Notice, next string, err error) {
	if business, err = l.ours(business); err != nil {
		return nil, "", err
	}
	last, _, err := p.parse()
	if err != nil {
		return nil, "", err
	}
	after := int64(-1)
	if last != "" {
		if after, err = strconv.ParseInt(last, 10, 64); err != nil {
			return nil, "", ErrCursor
		}
	}
	size := p.Size()
	rows, err := l.cfg.Read.QueryContext(ctx, selectNoticesPage, string(business), after, size+1)
	if err != nil {
		return nil, "", fmt.Errorf("list notices: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var n Notice
		var body []byte
		if len(list) == size { // there is one more
			next = cursorOf(strconv.FormatInt(after, 10), "")
			break
		}
		if err := rows.Scan(&after, &body); err != nil {
			return nil, "", fmt.Errorf("list notices: %w", err)
		}
		if err := json.Unmarshal(body, &n); err != nil {
			return nil, "", fmt.Errorf("read notice %d: %w", after, err)
		}
		list = append(list, n)
	}
	if err := rows.Err(); err != nil {
		return nil, "", fmt.Errorf("list notices: %w", err)
	}
	return list, next, nil
}

// ours is a number in canonical form, [ErrBusiness] when it is none of ours.
func (l *Ledger) ours(business geo.E164) (geo.E164, error) {
	number, err := geo.Parse(string(business))
	if err != nil {
		return "", ErrBusiness
	}
	if _, ok := l.businesses[number]; !ok {
		return "", ErrBusiness
	}
	return number, nil
}
