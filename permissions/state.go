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
	return reaching(known, business, l.brandOf), nil
}

// knownEvents are pairEvents with the opt-outs towards every brand.
func knownEvents(ctx context.Context, q querier, subject string, business geo.E164) ([]Event, error) {
	events, err := readEvents(ctx, q, selectStateEvents, subject, string(business))
	if err != nil || business == "" {
		return events, err
	}
	return appendTraces(ctx, q, events, subject, business)
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

// trace is what a pair's talk or receipts leave for its fold.
type trace struct {
	name, holder string // the line, or the id of the receipt
	together
	receipt int // 0 for a sighting, -1 for a message that arrived, else 1 and the code of the failure
}

// events are the facts that a trace stands for.
func (t *trace) events(business geo.E164) []Event {
	e := Event{ID: t.name, Kind: Delivered, Pair: Pair{Business: business}, At: t.first}
	switch {
	case t.receipt == 0:
		e.ID, e.Kind, e.Line, e.Holder = "sighted/first/"+t.name+"/"+t.holder, sighted, t.name, t.holder
		last := e
		last.ID, last.At = "sighted/last/"+t.name+"/"+t.holder, t.last
		return []Event{e, last}
	case t.name == "":
		return nil
	case t.receipt < 0:
		e.Delivery = deliveryArrived
	default:
		e.Delivery, e.Code = deliveryFailed, t.receipt-1
	}
	return []Event{e}
}

// appendTraces adds what the talk and the receipts of a pair left.
func appendTraces(ctx context.Context, q querier, events []Event, subject string, business geo.E164) ([]Event, error) {
	b := string(business)
	traces, err := collect(ctx, q, func(rows *sql.Rows) (t trace, err error) {
		var first, last int64
		err = rows.Scan(&t.name, &t.holder, &first, &last, &t.receipt)
		t.first, t.last = time.UnixMilli(first).UTC(), time.UnixMilli(last).UTC()
		return t, err
	}, selectTraces, subject, b, subject, b, subject, b)
	for i := range traces {
		events = append(events, traces[i].events(business)...)
	}
	return events, err
}
