package pbx

import (
	"context"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
)

// call is one dialog and its media. Its goroutine is the one that made it.
type call struct {
	pbx       *PBX
	extension Extension
	media     *media
	hangUp    chan struct{} // somebody asked the PBX to end it
	ended     chan struct{} // closed by the other side's BYE
	acked     chan struct{} // closed by the first ACK of our 200

	mu     sync.Mutex
	record Call // CallID never changes after the call is in the list
	onAck  func(*sip.Request)
}

func (p *PBX) newCall(callID, name string, e Extension) (*call, error) {
	m, err := newMedia(p.host)
	if err != nil {
		return nil, err
	}
	if len(e.Codecs) == 0 {
		e.Codecs = []string{"pcmu", "pcma"}
	}
	return &call{
		pbx: p, extension: e, media: m,
		hangUp: make(chan struct{}, 1), ended: make(chan struct{}), acked: make(chan struct{}),
		record: Call{CallID: callID, Extension: name, State: "ringing", Begun: time.Now()},
	}, nil
}

// enlist makes the call known by our tag.
func (p *PBX) enlist(c *call, tag string) {
	p.mu.Lock()
	p.calls = append(p.calls, c)
	p.byTag[tag] = c
	p.mu.Unlock()
	p.signal()
}

func (p *PBX) forget(tag string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.byTag, tag)
}

// change edits the record and wakes those who wait.
func (c *call) change(edit func(*Call)) {
	c.mu.Lock()
	edit(&c.record)
	c.mu.Unlock()
	c.pbx.signal()
}

// finish ends the record once.
func (c *call) finish(state, by string, status int) {
	c.change(func(r *Call) {
		if !r.Ended.IsZero() {
			return
		}
		r.State, r.EndedBy, r.Ended = state, by, time.Now()
		if r.Status == 0 {
			r.Status = status
		}
	})
}

func (c *call) over() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.record.Ended.IsZero()
}

func (c *call) gotAck(req *sip.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.onAck != nil {
		c.onAck(req)
	}
	select {
	case <-c.acked:
	default:
		close(c.acked)
	}
}

func (c *call) peerEnded(reason string) {
	c.change(func(r *Call) {
		if reason != "" {
			r.Reason = reason
		}
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.ended:
	default:
		close(c.ended)
	}
}

// snapshot is the record with what was heard.
func (c *call) snapshot() Call {
	heard := c.media.receiver().Heard()
	c.mu.Lock()
	defer c.mu.Unlock()
	record := c.record
	record.Packets, record.Lost, record.Reordered = heard.Packets, heard.Lost, heard.Reordered
	record.SSRCs, record.Payloads = heard.SSRCs, heard.Payloads
	return record
}

// converse waits for the end of an answered call: the other side's BYE, the
// extension's own time, HangUp, or the end of the PBX; then bye is called unless
// the other side was first.
func (c *call) converse(ctx context.Context, bye func(context.Context) error) {
	var tired <-chan time.Time
	if c.extension.HangUp > 0 {
		timer := time.NewTimer(c.extension.HangUp)
		defer timer.Stop()
		tired = timer.C
	}
	select {
	case <-c.ended:
		c.finish("ended", "peer", sip.StatusOK)
		return
	case <-tired:
	case <-c.hangUp:
	case <-ctx.Done():
	}
	c.media.stop()
	c.finish("ended", "pbx", sip.StatusOK)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	_ = bye(ctx) // the other side may be gone; the call is over for us in any case
}
