package permissions

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/callctl/callctl/compliance/audit"
)

// propose stores a change that waits for a second person.
func (l *Ledger) propose(ctx context.Context, tx *audit.Tx, c Change) (*Approval, error) {
	subject, err := l.EnsureSubject(ctx, tx, c.Pair.User)
	if err != nil {
		return nil, err
	}
	a := &approvalRow{subject: subject, Approval: Approval{
		ID: l.cfg.NewID(), Kind: c.Kind, Business: c.Pair.Business, User: c.Pair.User, Permanent: c.Permanent, Expires: c.Expires,
		Reason: c.Reason, Evidence: c.Evidence, ProposedBy: c.Actor, ProposedAt: tx.Now().UTC().Truncate(time.Millisecond),
		State: approvalPending,
	}}
	a.LapsesAt = a.ProposedAt.Add(approvalLasts)
	_, err = tx.ExecContext(ctx, insertApproval, a.ID, a.subject, string(a.Business), string(a.Kind), bit(a.Permanent),
		millisOrNull(a.Expires), a.Reason, a.Evidence, a.ProposedBy, a.ProposedAt.UnixMilli())
	if err != nil {
		return nil, fmt.Errorf("store approval: %w", err)
	}
	return &a.Approval, a.audit(ctx, tx, "approval.proposed")
}

// audit appends what became of an approval. The entry is sealed under the user.
func (a *approvalRow) audit(ctx context.Context, tx *audit.Tx, kind string) error {
	if _, err := tx.Append(ctx, audit.Record{Kind: kind, Subject: a.subject, Payload: a.Approval}); err != nil {
		return fmt.Errorf("audit approval: %w", err)
	}
	return nil
}

// Approve lets a proposed change take effect. The actor must be another than who
// proposed it ([ErrSameActor]); a change that is not pending any more, a week old
// ones included, is [ErrDecided]; an unknown one [ErrApproval]. What has become
// impossible since it was proposed fails as [Ledger.Apply] does and stays pending;
// so does what would give back something that was taken away since: nobody proposed
// that ([ErrChange]).
func (l *Ledger) Approve(ctx context.Context, id, actor string) (Approval, error) {
	if blank(actor) {
		return Approval{}, ErrReason
	}
	return l.decideApproval(ctx, id, func(ctx context.Context, tx *audit.Tx, a *approvalRow) (string, error) {
		if a.ProposedBy == actor {
			return "", ErrSameActor
		}
		c := Change{
			Kind: a.Kind, Pair: Pair{Business: a.Business, User: a.User}, Actor: a.ProposedBy, Reason: a.Reason,
			Permanent: a.Permanent, Expires: a.Expires, Evidence: a.Evidence,
		}
		c, err := l.checked(c, tx.Now())
		if err == nil {
			err = l.stillAsProposed(ctx, tx, a)
		}
		if err != nil {
			return "", err
		}
		a.State, a.DecidedBy = approvalApproved, actor
		a.Event, err = l.change(ctx, tx, c, a.ID)
		return "approval.approved", err
	})
}

// stillAsProposed fails when something that the change would give back was taken away
// after it was proposed, by the user, the provider or another person. When it became
// known here counts, not when it happened.
func (l *Ledger) stillAsProposed(ctx context.Context, tx *audit.Tx, a *approvalRow) error {
	events, err := knownEvents(ctx, tx, a.subject, a.Business)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(events, a.overtakenBy) {
		return fmt.Errorf("%w: %w", ErrChange, errOvertaken)
	}
	return nil
}

// overtakenBy says whether an event is a later no to what is proposed.
func (a *approvalRow) overtakenBy(e Event) bool {
	if !e.Received.After(a.ProposedAt) {
		return false
	}
	switch e.Kind {
	case OptedOut:
		return true
	case Declined, Revoked:
		return a.Kind == Granted
	case MessagesStopped:
		return a.Kind == MessagesResumed
	default:
		return false
	}
}

// Reject ends a proposed change. Who proposed it may withdraw it so. Actor and
// reason are needed ([ErrReason]); else errors are as of [Ledger.Approve].
func (l *Ledger) Reject(ctx context.Context, id, actor, reason string) (Approval, error) {
	if blank(actor) || blank(reason) {
		return Approval{}, ErrReason
	}
	return l.decideApproval(ctx, id, func(_ context.Context, _ *audit.Tx, a *approvalRow) (string, error) {
		a.State, a.DecidedBy, a.Rejection = approvalRejected, actor, reason
		return "approval.rejected", nil
	})
}

// decideApproval lets f end a pending approval and writes it with its audit entry,
// all in one transaction. F returns the kind of the entry.
func (l *Ledger) decideApproval(ctx context.Context, id string, f func(ctx context.Context, tx *audit.Tx, a *approvalRow) (string, error)) (Approval, error) {
	var out Approval
	err := l.cfg.Log.Update(ctx, func(ctx context.Context, tx *audit.Tx) error {
		a, err := l.approval(ctx, tx, id, tx.Now())
		if err != nil {
			return err
		}
		if a.State != approvalPending {
			return ErrDecided
		}
		kind, err := f(ctx, tx, a)
		if err != nil {
			return err
		}
		a.DecidedAt, a.LapsesAt = tx.Now().UTC().Truncate(time.Millisecond), time.Time{}
		_, err = tx.ExecContext(ctx, decideApproval, a.State, a.DecidedBy, a.DecidedAt.UnixMilli(), a.Event, a.ID)
		if err != nil {
			return fmt.Errorf("store approval: %w", err)
		}
		out = a.Approval
		return a.audit(ctx, tx, kind)
	})
	if err != nil {
		return Approval{}, err
	}
	return out, nil
}
