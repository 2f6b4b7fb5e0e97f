package pbx

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
)

// farewell bounds what a call may still take to end once Run's ctx has ended.
const farewell = 2 * time.Second

// Run serves until ctx ends, hangs up what still lives and leaves no goroutine.
func (p *PBX) Run(ctx context.Context) error {
	p.server.OnInvite(func(req *sip.Request, tx sip.ServerTransaction) { p.incoming(ctx, req, tx) })
	p.server.OnAck(p.ack)
	p.server.OnBye(p.bye)
	p.server.OnCancel(func(req *sip.Request, tx sip.ServerTransaction) {
		_ = tx.Respond(sip.NewResponseFromRequest(req, sip.StatusCallTransactionDoesNotExists, "No Such Call", nil))
	})
	p.server.OnOptions(func(req *sip.Request, tx sip.ServerTransaction) {
		_ = tx.Respond(sip.NewResponseFromRequest(req, sip.StatusOK, "OK", nil))
	})
	var serving sync.WaitGroup
	if p.packets != nil {
		serving.Go(func() { _ = p.server.ServeUDP(p.packets) })
	}
	if p.streams != nil {
		serving.Go(func() { _ = p.server.ServeTCP(p.streams) })
	}
	p.awaitListener(ctx)
	p.dialling(ctx)
	p.mu.Lock()
	p.stopped = true
	p.mu.Unlock()
	close(p.done)
	p.signal()
	// A CANCEL that nobody answers would wait for RFC 3261's timer B, 32 s.
	impatient := time.AfterFunc(farewell, func() { _ = p.agent.Close() })
	p.calling.Wait()
	impatient.Stop()
	err := p.Close()
	serving.Wait()
	return err
}

// awaitListener waits until sipgo knows the UDP socket, because requests leave
// from it.
func (p *PBX) awaitListener(ctx context.Context) {
	if p.packets == nil {
		return
	}
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for {
		if _, err := p.agent.TransportLayer().GetConnection("udp", p.Addr()); err == nil {
			return
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// dialling runs outgoing calls, each in a goroutine that calling counts.
func (p *PBX) dialling(ctx context.Context) {
	for {
		select {
		case place := <-p.dial:
			p.calling.Go(func() { place(ctx) })
		case <-ctx.Done():
			return
		}
	}
}

// enter counts a call in, unless the PBX is stopping.
func (p *PBX) enter() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return false
	}
	p.calling.Add(1)
	return true
}

func (p *PBX) ack(req *sip.Request, _ sip.ServerTransaction) {
	if c := p.dialog(req); c != nil {
		c.gotAck(req)
	}
}

// bye ends a call from the other side. The transaction is answered before the
// call's own goroutine acts.
func (p *PBX) bye(req *sip.Request, tx sip.ServerTransaction) {
	c := p.dialog(req)
	if c == nil {
		_ = tx.Respond(sip.NewResponseFromRequest(req, sip.StatusCallTransactionDoesNotExists, "No Such Dialog", nil))
		return
	}
	_ = tx.Respond(sip.NewResponseFromRequest(req, sip.StatusOK, "OK", nil))
	c.peerEnded(reasonOf(req))
}

// dialog is the call whose tag of ours is in the To of a request of its dialog.
func (p *PBX) dialog(req *sip.Request) *call {
	to := req.To()
	if to == nil {
		return nil
	}
	tag, ok := to.Params.Get("tag")
	if !ok {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.byTag[tag]
	if c == nil || req.CallID() == nil || c.record.CallID != req.CallID().Value() {
		return nil
	}
	return c
}

// reasonOf is the Reason header (RFC 3326) of a message, empty without one.
func reasonOf(message interface{ GetHeader(name string) sip.Header }) string {
	if header := message.GetHeader("Reason"); header != nil {
		return strings.TrimSpace(header.Value())
	}
	return ""
}
