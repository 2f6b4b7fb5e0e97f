package sipbridge

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/callctl/callctl/geo"
	"github.com/callctl/callctl/media"
)

// LiveCall is the state of a call that has not ended.
type LiveCall struct {
	ID         string            `json:"id"`
	Account    string            `json:"account"`
	Direction  Direction         `json:"direction"`
	User       string            `json:"user"`
	Business   geo.E164          `json:"business"`
	CallbackID string            `json:"callbackId,omitempty"`
	Purpose    string            `json:"-"`     // "" when nobody named one
	State      string            `json:"state"` // connecting, ringing, answered, bridged, ending
	StartedAt  time.Time         `json:"startedAt"`
	AnsweredAt time.Time         `json:"answeredAt,omitzero"`
	WhatsApp   media.StreamStats `json:"whatsapp"`
	PBX        media.StreamStats `json:"pbx"`
}

// The states of a live call.
const (
	stateConnecting = "connecting"
	stateRinging    = "ringing"
	stateAnswered   = "answered"
	stateBridged    = "bridged"
	stateEnding     = "ending"
)

// Live lists the live calls, oldest first.
func (b *Bridge) Live() []LiveCall {
	list := []LiveCall{}
	for _, c := range b.snapshot() {
		if l, ok := c.view(); ok {
			list = append(list, l)
		}
	}
	slices.SortFunc(list, func(x, y LiveCall) int {
		return cmp.Or(x.StartedAt.Compare(y.StartedAt), strings.Compare(x.ID, y.ID))
	})
	return list
}

func (b *Bridge) snapshot() []*call {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]*call, 0, len(b.calls))
	for _, c := range b.calls {
		out = append(out, c)
	}
	return out
}

// HangUpUser ends every live call with the user (any of the aliases), whatever
// its state, and returns how many there were. It does not block. The reason
// becomes the cause of the CDR.
func (b *Bridge) HangUpUser(reason string, aliases ...string) int {
	n := 0
	for _, c := range b.snapshot() {
		if slices.Contains(aliases, c.user) && c.hangUp(reason) {
			n++
		}
	}
	return n
}

// HangUp ends one live call; false when there is none with that id. The reason
// becomes the cause of the CDR.
func (b *Bridge) HangUp(id, reason string) bool {
	b.mu.Lock()
	c := b.calls[id]
	b.mu.Unlock()
	return c != nil && c.hangUp(reason)
}
