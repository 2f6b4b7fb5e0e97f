package permissions

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/geo"
)

// Listing is a line of a do-not-call list that was kept elsewhere.
type Listing struct {
	// ID makes the line unique for ever: a second listing with the same ID is the
	// same fact.
	ID       string
	List     string // id of the list that it is from
	User     User
	Channels Channels  // what it ends, calls when empty
	Since    time.Time // when the user was listed there, zero for now
	Actor    string    // token name of who brought the list
	Reason   string
}

// ImportTx takes a listing in, within a transaction of the caller. It only adds:
// who is on the do-not-call list for all businesses stays under the entry there
// is, and nothing is lifted. A stop of messages is recorded for each of our
// numbers and counts from now, so that no START of before outweighs it. It says whether the listing changed anything. Errors wrap [ErrEvent],
// or are [ErrUser], [ErrReason] or, with no number to stop messages from,
// [ErrBusiness].
func (l *Ledger) ImportTx(ctx context.Context, tx *audit.Tx, x Listing) (added bool, err error) {
	x.User = x.User.canonical()
	switch {
	case !x.User.Valid():
		return false, ErrUser
	case x.Actor == "" || x.Reason == "":
		return false, ErrReason
	case x.stopsMessages() && len(l.businesses) == 0:
		return false, ErrBusiness
	}
	e := Event{
		ID: x.ID, Kind: OptedOut, Pair: Pair{User: x.User}, At: x.Since, Auth: AuthImport,
		Actor: x.Actor, Reason: x.Reason, Ref: x.List, Channels: x.Channels,
	}
	missing, err := l.missing(ctx, tx, x.User, x.Channels)
	if err != nil {
		return false, err
	}
	if missing.calls {
		if _, err := l.RecordTx(ctx, tx, e); err != nil {
			return false, fmt.Errorf("list: %w", err)
		}
	}
	for _, business := range missing.messages {
		stop := e
		stop.ID, stop.Kind, stop.Channels = x.ID+"/messages/"+business.Digits(), MessagesStopped, ""
		stop.Pair.Business, stop.At = business, time.Time{}
		if _, err := l.RecordTx(ctx, tx, stop); err != nil {
			return false, fmt.Errorf("list: %w", err)
		}
	}
	return missing.calls || len(missing.messages) > 0, nil
}

func (x *Listing) stopsMessages() bool {
	return x.Channels == ChannelsMessages || x.Channels == ChannelsAll
}

// Listed says whether a listing of the user would change nothing, as ImportTx
// would find it now. It writes nothing.
func (l *Ledger) Listed(ctx context.Context, u User, c Channels) (bool, error) {
	u = u.canonical()
	if !u.Valid() {
		return false, ErrUser
	}
	missing, err := l.missing(ctx, l.cfg.Read, u, c)
	return !missing.calls && len(missing.messages) == 0, err
}

// lacking is what a listing would add.
type lacking struct {
	calls    bool       // the entry on the do-not-call list
	messages []geo.E164 // the stop of messages from these of our numbers
}

func (l *Ledger) missing(ctx context.Context, q querier, u User, c Channels) (out lacking, err error) {
	if c != ChannelsMessages {
		entry, listed, err := doNotCall(ctx, q, u)
		if err != nil {
			return out, err
		}
		out.calls = !listed || entry.Scope != ScopeAll
	}
	if c != ChannelsMessages && c != ChannelsAll {
		return out, nil
	}
	subject, err := subjectOf(ctx, q, u)
	if err != nil {
		return out, err
	}
	for _, business := range slices.Sorted(maps.Keys(l.businesses)) {
		events, err := l.pairEvents(ctx, q, subject, business)
		if err != nil {
			return out, err
		}
		if s := fold(events).stopped; s == nil || s.Category != "" {
			out.messages = append(out.messages, business)
		}
	}
	return out, nil
}
