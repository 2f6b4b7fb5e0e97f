package permissions

import (
	"context"
	"slices"

	"github.com/callctl/callctl/compliance/audit"
)

// OptOut is an opt-out that a message amounted to, as who confirms it sees it.
type OptOut struct {
	Channels Channels // what it ends: calls, messages or all
	// Silenced is true when the user wanted no messages before this one: then
	// nobody writes to them, not even to confirm.
	Silenced bool
}

// OptOutTx reads the opt-out with the id of its event, as [Revocation.Event] names
// it, within the transaction that records it. ok is false for an event that is no
// opt-out by message: one by an operator or a list, a grant that was withdrawn, or
// a stop of messages that were asked for again since.
func (l *Ledger) OptOutTx(ctx context.Context, tx *audit.Tx, r Revocation) (o OptOut, ok bool, err error) {
	found, err := readEvents(ctx, tx, selectEventByID, r.Event)
	if err != nil || len(found) == 0 {
		return o, false, err
	}
	e := found[0]
	if o.Channels = e.endedByMessage(); o.Channels == "" {
		return o, false, nil
	}
	events, err := l.pairEvents(ctx, tx, r.Subject, e.Pair.Business)
	if err != nil {
		return o, false, err
	}
	if e.Kind == MessagesStopped && fold(events).stops[""] == nil {
		return o, false, nil // messages were asked for again since
	}
	events = slices.DeleteFunc(events, func(s Event) bool { return s.Kind == MessagesStopped && s.Ref == e.Ref })
	o.Silenced = fold(events).stops[""] != nil
	return o, true, nil
}

// endedByMessage is what a message that the event was read from ended, "" when it is
// no opt-out by message.
func (e *Event) endedByMessage() Channels {
	provider := e.Auth == AuthHMAC || e.Auth == AuthBearer || e.Auth == AuthReadBack
	switch {
	case !provider || e.Ref == "":
		return ""
	case e.Kind == OptedOut && e.Channels == ChannelsAll:
		return ChannelsAll
	case e.Kind == OptedOut:
		return ChannelsCalls
	case e.Kind == MessagesStopped && e.Category == "":
		return ChannelsMessages
	}
	return ""
}
