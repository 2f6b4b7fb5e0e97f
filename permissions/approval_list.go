package permissions

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/callctl/callctl/geo"
)

// approvalRow is a stored approval. Its user is an opaque id; the address is looked
// up where a person sees it.
type approvalRow struct {
	Approval

	subject string
}

func scanApproval(row interface{ Scan(dest ...any) error }) (*approvalRow, error) {
	var a approvalRow
	var permanent, proposed int64
	var expires, decided sql.NullInt64
	err := row.Scan(&a.ID, &a.subject, &a.Business, &a.Kind, &permanent, &expires, &a.Reason, &a.Evidence,
		&a.ProposedBy, &proposed, &a.State, &a.DecidedBy, &decided, &a.Event)
	a.Permanent, a.ProposedAt = permanent != 0, time.UnixMilli(proposed).UTC()
	a.Expires, a.DecidedAt = timeOrZero(expires), timeOrZero(decided)
	return &a, err
}

func millisOrNull(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMilli()
}

func timeOrZero(ms sql.NullInt64) time.Time {
	if !ms.Valid {
		return time.Time{}
	}
	return time.UnixMilli(ms.Int64).UTC()
}

// Approval is one of them, whatever became of it. [ErrApproval] when there is none.
func (l *Ledger) Approval(ctx context.Context, id string) (Approval, error) {
	var found Approval
	err := l.snapshot(ctx, func(ctx context.Context, q querier) error {
		a, err := l.approval(ctx, q, id, l.cfg.Now())
		if err == nil {
			found = a.Approval
		}
		return err
	})
	return found, err
}

// approval reads one, as it is at now. [ErrApproval] when there is none.
func (l *Ledger) approval(ctx context.Context, q querier, id string, now time.Time) (*approvalRow, error) {
	a, err := scanApproval(q.QueryRowContext(ctx, selectApproval, id))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrApproval
	}
	if err != nil {
		return nil, fmt.Errorf("read approval: %w", err)
	}
	return a, l.complete(ctx, q, a, now)
}

// complete adds what the row does not hold: the user's address, none when it was
// erased, the subject that took theirs over, and whether the proposal has lapsed.
func (l *Ledger) complete(ctx context.Context, q querier, a *approvalRow, now time.Time) error {
	if a.State == approvalPending {
		if a.LapsesAt = a.ProposedAt.Add(approvalLasts); !now.Before(a.LapsesAt) {
			a.State = approvalLapsed
		}
	}
	user, err := l.addressIfAny(ctx, q, a.subject)
	if err != nil {
		return err
	}
	a.User = user
	if err := q.QueryRowContext(ctx, selectCurrent, a.subject).Scan(&a.subject); err != nil {
		return fmt.Errorf("read subject: %w", err)
	}
	return nil
}

// Approvals lists them by cursor, the newest first; pending ones only on request.
func (l *Ledger) Approvals(ctx context.Context, pendingOnly bool, p Page) (list []Approval, next string, err error) {
	proposed, id, err := p.parse()
	if err != nil {
		return nil, "", err
	}
	before := int64(math.MaxInt64)
	if p.Cursor != "" {
		if before, err = strconv.ParseInt(proposed, 10, 64); err != nil {
			return nil, "", ErrCursor
		}
	}
	size, now := p.Size(), l.cfg.Now().UTC()
	query, args := selectApprovals, []any{before, id, size + 1}
	if pendingOnly {
		query, args = selectPendingApprovals, []any{before, id, now.Add(-approvalLasts).UnixMilli(), size + 1}
	}
	err = l.snapshot(ctx, func(ctx context.Context, q querier) error {
		rows, err := scanApprovals(ctx, q, query, args...)
		if err != nil {
			return err
		}
		if len(rows) > size {
			rows = rows[:size]
			last := rows[size-1]
			next = cursorOf(strconv.FormatInt(last.ProposedAt.UnixMilli(), 10), last.ID)
		}
		for _, a := range rows {
			if err := l.complete(ctx, q, a, now); err != nil {
				return err
			}
			list = append(list, a.Approval)
		}
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	return list, next, nil
}

func scanApprovals(ctx context.Context, q querier, query string, args ...any) (out []*approvalRow, err error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("list approvals: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		a, err := scanApproval(rows)
		if err != nil {
			return nil, fmt.Errorf("list approvals: %w", err)
		}
		out = append(out, a)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list approvals: %w", err)
	}
	return out, nil
}

// persons is how many of them a change that widens permission needs. A lifting
// holds for every business, so the strictest of their packs decides.
func (l *Ledger) persons(kind EventKind, business geo.E164, now time.Time) int {
	if kind != OptOutLifted && business != "" {
		return l.pack(business, now).Grant.Approvals
	}
	if len(l.businesses) == 0 {
		return l.packs.at(DefaultPack, now).Grant.Approvals
	}
	most := 1
	for number := range l.businesses {
		most = max(most, l.pack(number, now).Grant.Approvals)
	}
	return most
}
