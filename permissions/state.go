package permissions

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/callctl/callctl/geo"
)

// pairEvents are the events that the projection of a pair is made of: its own
// without the talk, what holds for every business, the opt-outs that reach the
// business's brand, and which number the talk showed with which BSUID. Every fold
// of a pair is made of them.
func (l *Ledger) pairEvents(ctx context.Context, q querier, subject string, business geo.E164) ([]Event, error) {
	known, err := knownEvents(ctx, q, subject, business)
	if err != nil {
		return nil, err
	}
	return reaching(known, l.brandOf(business)), nil
}

// knownEvents are pairEvents with the opt-outs towards every brand.
func knownEvents(ctx context.Context, q querier, subject string, business geo.E164) ([]Event, error) {
	events, err := readEvents(ctx, q, selectStateEvents, subject, string(business))
	if err != nil || business == "" {
		return events, err
	}
	return appendSightings(ctx, q, events, subject, business)
}

// collect reads all rows of a query.
func collect[T any](ctx context.Context, q querier, scan func(*sql.Rows) (T, error), query string, args ...any) (out []T, err error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read ledger: %w", err)
	}
	defer func() {
		if err = errors.Join(err, rows.Close()); err != nil {
			out, err = nil, fmt.Errorf("read ledger: %w", err)
		}
	}()
	for rows.Next() {
		row, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, row)
	}
	return out, rows.Err()
}

// readEvents reads the events of a query in the columns of selectStateEvents.
func readEvents(ctx context.Context, q querier, query string, args ...any) ([]Event, error) {
	return collect(ctx, q, func(rows *sql.Rows) (e Event, err error) {
		var index int64
		var body []byte
		if err := rows.Scan(&index, &e.Pair.Business, &body); err != nil {
			return e, err
		}
		if err := json.Unmarshal(body, &e); err != nil {
			return e, fmt.Errorf("event %d: %w", index, err)
		}
		return e, nil
	}, query, args...)
}

// sighting is which number was seen with which BSUID in the talk of a pair.
type sighting struct {
	line, holder string
	together
}

func sightingsOf(ctx context.Context, q querier, subject string, business geo.E164) ([]sighting, error) {
	return collect(ctx, q, func(rows *sql.Rows) (s sighting, err error) {
		var first, last int64
		err = rows.Scan(&s.line, &s.holder, &first, &last)
		s.first, s.last = time.UnixMilli(first).UTC(), time.UnixMilli(last).UTC()
		return s, err
	}, selectSightings, subject, string(business))
}

// appendSightings adds what the talk showed as two events each, the first and the
// last time.
func appendSightings(ctx context.Context, q querier, events []Event, subject string, business geo.E164) ([]Event, error) {
	seen, err := sightingsOf(ctx, q, subject, business)
	if err != nil {
		return nil, err
	}
	for _, s := range seen {
		for _, at := range []time.Time{s.first, s.last} {
			events = append(events, Event{
				ID:   "sighted/" + s.line + "/" + s.holder + at.Format("/2006-01-02T15:04:05.000"),
				Kind: sighted, Pair: Pair{Business: business}, At: at, Line: s.line, Holder: s.holder,
			})
		}
	}
	return events, nil
}
