package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/permissions"
)

// errTrial rolls a trial transaction back.
var errTrial = errors.New("server: trial")

// commit stores a delivery, its facts and its notices in one transaction, durably.
// A repeat stores nothing and says fresh false.
func (s *Server) commit(ctx context.Context, d *delivery, facts []permissions.Event, notices []permissions.Notice) (fresh bool, err error) {
	began := time.Now()
	for i := range facts { // reading a number takes longer than a row: not while the others wait
		facts[i].Pair = facts[i].Pair.Canonical()
	}
	// What takes a permission away does not wait behind a crowd of other deliveries.
	if slices.ContainsFunc(facts, func(f permissions.Event) bool { return f.Narrows() }) {
		ctx = audit.Ahead(ctx)
	}
	err = s.cfg.Log.Update(ctx, func(ctx context.Context, tx *audit.Tx) error {
		id, ok, err := d.insert(ctx, tx)
		fresh = ok
		if err != nil || !ok {
			return err
		}
		if err := d.note(ctx, tx, id); err != nil {
			return err
		}
		_, err = s.record(ctx, tx, id, facts, notices)
		return err
	})
	if err != nil {
		return false, err
	}
	s.metrics.commitSeconds.Observe(time.Since(began).Seconds())
	return fresh, nil
}

// record puts what a delivery says into the ledger; fresh is how much of it was new.
func (s *Server) record(ctx context.Context, tx *audit.Tx, id int64, facts []permissions.Event, notices []permissions.Notice) (fresh int, err error) {
	if len(facts) > 0 {
		if fresh, err = s.cfg.Ledger.RecordTx(ctx, tx, linked(facts, id)...); err != nil {
			return 0, fmt.Errorf("record facts: %w", err)
		}
	}
	if len(notices) > 0 {
		n, err := s.cfg.Ledger.RecordNotices(ctx, tx, linkedNotices(notices, id)...)
		return fresh + n, wrap("record notices", err)
	}
	return fresh, nil
}

// linked copies facts with the delivery that brought them.
func linked(facts []permissions.Event, id int64) []permissions.Event {
	out := make([]permissions.Event, len(facts))
	for i, f := range facts {
		f.Webhook = id
		out[i] = f
	}
	return out
}

// take stores a delivery so that one bad fact loses none of the good ones: when
// the ledger refuses the whole, each fact is tried alone, the good ones are
// recorded and the delivery is kept for a person to see (promises T-08). An
// error means that the store failed and the provider should come again.
func (s *Server) take(ctx context.Context, d *delivery, facts []permissions.Event, notices []permissions.Notice) (fresh bool, err error) {
	fresh, err = s.commit(ctx, d, facts, notices)
	if err == nil || storeFailed(err) || len(facts)+len(notices) == 0 {
		return fresh, err
	}
	good, told, err := s.siftAll(ctx, d, facts, notices)
	if err != nil {
		return false, err
	}
	fresh, err = s.commit(ctx, d, good, told)
	if err == nil || storeFailed(err) || len(good)+len(told) == 0 {
		return fresh, err
	}
	d.problem = "facts that the ledger takes alone but not together: " + mask(err.Error())
	return s.commit(ctx, d, nil, nil)
}

// siftAll keeps of a delivery what the ledger takes, and quarantines it for the
// rest.
func (s *Server) siftAll(ctx context.Context, d *delivery, facts []permissions.Event, notices []permissions.Notice) ([]permissions.Event, []permissions.Notice, error) {
	good, problems, err := sift(ctx, s.cfg.Log, facts, func(ctx context.Context, tx *audit.Tx, f permissions.Event) error {
		_, err := s.cfg.Ledger.RecordTx(ctx, tx, f)
		return err
	}, func(i int, f permissions.Event) string { return fmt.Sprintf("fact %d (%s)", i, f.Kind) })
	if err != nil {
		return nil, nil, err
	}
	told, refused, err := sift(ctx, s.cfg.Log, notices, func(ctx context.Context, tx *audit.Tx, n permissions.Notice) error {
		_, err := s.cfg.Ledger.RecordNotices(ctx, tx, n)
		return err
	}, func(i int, n permissions.Notice) string { return fmt.Sprintf("notice %d (%s)", i, n.Kind) })
	if err != nil {
		return nil, nil, err
	}
	problems = append(problems, refused...)
	if d.problem != "" { // parts that could not be read
		problems = append([]string{d.problem}, problems...)
	}
	d.state, d.problem = stateQuarantined, strings.Join(problems, "; ")
	return good, told, nil
}

// sift tries each part of a delivery in a transaction that is rolled back; name
// says which one it was that the ledger refused.
func sift[T any](ctx context.Context, log *audit.Log, parts []T,
	record func(context.Context, *audit.Tx, T) error, name func(i int, part T) string,
) (good []T, problems []string, err error) {
	for i, part := range parts {
		err := log.Update(ctx, func(ctx context.Context, tx *audit.Tx) error {
			if err := record(ctx, tx, part); err != nil {
				return err
			}
			return errTrial
		})
		switch {
		case errors.Is(err, errTrial):
			good = append(good, part)
		case storeFailed(err):
			return nil, nil, err
		default:
			problems = append(problems, name(i, part)+": "+mask(err.Error()))
		}
	}
	return good, problems, nil
}
