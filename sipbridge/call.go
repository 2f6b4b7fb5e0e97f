package sipbridge

import (
	"context"
	"fmt"
	"regexp"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/callctl/callctl/media"
)

// linger is how long the record of an ended call waits for the last answers of
// both sides; the legs themselves are followed to their end in any case.
const linger = 2 * time.Second

// call is one call: a loop that owns a WhatsApp leg and a PBX leg. Its fields
// belong to the loop's goroutine unless said otherwise.
type call struct {
	b         *Bridge
	ctx       context.Context //nolint:containedctx // a call is its own lifetime: it outlives the request that began it
	box       *mailbox
	id        string
	account   *Account
	direction Direction
	order     Order
	user      string
	agent     string
	agentURI  sip.Uri
	callback  string
	purpose   string
	ticket    Ticket
	done      func(Result)

	// wacid and bound are written under the bridge's lock.
	wacid string
	bound bool

	inflight int // goroutines of this call
	carrier  carrierLeg
	media    mediaLegs
	recorded recording
	pbx      pbxLeg
	caller   *uas // the PBX leg when the PBX placed the call
	at       callTimes
	codes    []int
	duration time.Duration
	status   int // last final SIP status

	ending    *Cause
	lingering bool
	writing   bool
	written   bool
	lost      bool
	timers    map[string]*time.Timer

	mu    sync.Mutex // guards what Live reads
	state string
	over  bool
}

// callTimes are the moments of a call, zero until they come.
type callTimes struct {
	started, userRinging, userAnswered, agentAnswered, mediaUp, bridged, ended time.Time
}

func newCall(ctx context.Context, b *Bridge, a *Account, d Direction, id, user string) *call {
	c := &call{
		b: b, ctx: context.WithoutCancel(ctx), box: newMailbox(), id: id, account: a, direction: d, user: user,
		state: stateConnecting, timers: map[string]*time.Timer{},
	}
	c.at.started = c.now()
	return c
}

func (c *call) now() time.Time { return c.b.cfg.Now().UTC().Truncate(time.Millisecond) }

func (c *call) attempt() Attempt {
	return Attempt{Business: c.account.Business, User: c.user, CallID: c.id, CallbackID: c.callback, Purpose: c.purpose}
}

// post implements legHost.
func (c *call) post(f func()) bool { return c.box.post(f) }

// spawn implements legHost: f runs beside the loop, which waits for it.
func (c *call) spawn(f func()) {
	c.inflight++
	go func() {
		defer c.box.post(func() { c.inflight-- })
		f()
	}()
}

// run is the loop. It ends when the record is written and nothing of either leg
// is left.
func (c *call) run() {
	for {
		for _, f := range c.box.take() {
			c.step(f)
		}
		c.step(c.settle)
		if c.written && c.inflight == 0 && (c.pbx == nil || c.pbx.finished()) && c.b.gone(c) {
			break
		}
		<-c.box.wake
	}
	for _, t := range c.timers {
		t.Stop()
	}
}

// step runs one piece of the loop; a fault ends this call and no other.
func (c *call) step(f func()) {
	defer func() {
		if r := recover(); r != nil {
			c.b.log.Error("fault in a call", "call", c.id, "fault", fmt.Sprint(r))
			if c.ending == nil {
				c.end(causeOf(CauseInternal))
			}
		}
	}()
	f()
}

// after runs f on the loop after d, unless the timer of that name is stopped.
func (c *call) after(name string, d time.Duration, f func()) {
	c.stop(name)
	c.timers[name] = time.AfterFunc(d, func() { c.post(f) })
}

func (c *call) stop(name string) {
	if t := c.timers[name]; t != nil {
		t.Stop()
		delete(c.timers, name)
	}
}

func (c *call) setState(s string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state = s
}

// view is the call as Live shows it; ok is false once its record is written.
func (c *call) view() (LiveCall, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := LiveCall{
		ID: c.id, Account: c.account.Name, Direction: c.direction, User: c.user, Business: c.account.Business,
		CallbackID: c.callback, Purpose: c.purpose, State: c.state, StartedAt: c.at.started, AnsweredAt: c.at.userAnswered,
	}
	l.WhatsApp, l.PBX = c.media.stats()
	return l, !c.over
}

// machineWord is what a caller's reason must look like to become a cause.
var machineWord = regexp.MustCompile(`^[a-z][a-z_]{1,40}$`)

// hangUp ends the call from outside the loop; false when it has ended already.
func (c *call) hangUp(reason string) bool {
	cause := causeOf(CauseHungUp)
	if machineWord.MatchString(reason) {
		cause.Word = reason
	}
	c.mu.Lock()
	over := c.over || c.state == stateEnding
	c.mu.Unlock()
	return !over && c.post(func() { c.end(cause) })
}

// advance does whatever has become possible; every event ends here.
func (c *call) advance() {
	if c.ending != nil {
		return
	}
	if c.carrier.negotiated && !c.openMedia() {
		return
	}
	if c.at.userAnswered.IsZero() {
		return
	}
	c.media.start()
	c.setAnswered()
	switch {
	case c.caller != nil:
		c.caller.answer()
	case c.direction == BusinessInitiated && c.order == UserFirst && c.pbx == nil && c.media.pbx != nil:
		c.ringAgent()
	}
	if !c.at.agentAnswered.IsZero() && !c.at.mediaUp.IsZero() && c.at.bridged.IsZero() {
		c.at.bridged = c.now()
		c.setState(stateBridged)
		c.b.log.Info("call bridged", "call", c.id, "direction", string(c.direction))
		c.startRecording()
	}
}

func (c *call) setAnswered() {
	if c.state == stateConnecting || c.state == stateRinging {
		c.setState(stateAnswered)
	}
}

// orderCodecs puts the codec that the other side speaks first, so that audio is
// relayed and not transcoded where both sides can.
func orderCodecs(first media.Codec, list []media.Codec) []media.Codec {
	out := make([]media.Codec, 0, len(list))
	for _, c := range list {
		if c == first {
			out = append(out, c)
		}
	}
	for _, c := range list {
		if c != first {
			out = append(out, c)
		}
	}
	return out
}

func (a *Account) codecs() []media.Codec {
	if len(a.Codecs) == 0 {
		return []media.Codec{media.Opus}
	}
	return a.Codecs
}
