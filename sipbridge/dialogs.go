package sipbridge

import "sync"

// peer is the PBX's end of a live dialog, as the SIP handlers see it.
type peer struct {
	id       dialogID
	sdp      string // ours, repeated whenever the peer asks again
	peerSDP  string // the peer's, which a re-INVITE may not move
	onBye    func()
	onACK    func(cseq uint32)
	mu       sync.Mutex
	lastCSeq uint32
	waiting  map[uint32]chan struct{} // re-INVITEs that wait for their ACK
}

// fresh checks and advances the peer's CSeq (RFC 3261 section 12.2.2).
func (p *peer) fresh(cseq uint32) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if cseq <= p.lastCSeq {
		return false
	}
	p.lastCSeq = cseq
	return true
}

// awaitACK returns a channel that is closed when the ACK for cseq comes.
func (p *peer) awaitACK(cseq uint32) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting == nil {
		p.waiting = map[uint32]chan struct{}{}
	}
	ch := make(chan struct{})
	p.waiting[cseq] = ch
	return ch
}

func (p *peer) acked(cseq uint32) {
	p.mu.Lock()
	if ch, ok := p.waiting[cseq]; ok {
		close(ch)
		delete(p.waiting, cseq)
	}
	p.mu.Unlock()
	if p.onACK != nil {
		p.onACK(cseq)
	}
}

// dialogs are the live dialogs of a user agent.
type dialogs struct {
	mu      sync.Mutex
	live    map[dialogID]*peer
	invites map[string]struct{} // INVITEs being answered, to see merged ones
}

func (d *dialogs) find(id dialogID) *peer {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.live[id]
}

func (d *dialogs) add(p *peer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.live[p.id] = p
}

func (d *dialogs) remove(id dialogID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.live, id)
}

// enter marks an INVITE as being answered; false when the same one came over
// another path already (RFC 3261 section 8.2.2.2).
func (d *dialogs) enter(key string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, dup := d.invites[key]; dup {
		return false
	}
	d.invites[key] = struct{}{}
	return true
}

func (d *dialogs) leave(key string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.invites, key)
}
