package sipbridge

import (
	"fmt"
	"time"

	"github.com/emiago/sipgo/sip"
)

// allow are the methods that the PBX may use (RFC 3261 section 20.5).
const allow = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO"

// handle registers what the PBX may send. sipgo runs every message in its own
// goroutine: a handler answers what needs no state and posts the rest.
func (a *userAgent) handle() {
	on := func(m sip.RequestMethod, f func(*sip.Request, sip.ServerTransaction)) {
		a.server.OnRequest(m, func(req *sip.Request, tx sip.ServerTransaction) {
			if a.enter() {
				defer a.wg.Done()
				f(req, tx)
			}
		})
	}
	on(sip.INVITE, a.onInvite)
	on(sip.ACK, a.onACK)
	on(sip.BYE, a.onBye)
	on(sip.INFO, a.onInfo)
	on(sip.OPTIONS, func(req *sip.Request, tx sip.ServerTransaction) { a.respond(req, tx, 200, "OK") })
	on(sip.CANCEL, func(req *sip.Request, tx sip.ServerTransaction) {
		a.respond(req, tx, 481, "Call/Transaction Does Not Exist")
	})
	a.server.OnNoRoute(func(req *sip.Request, tx sip.ServerTransaction) {
		if known(req.Method) {
			a.respond(req, tx, 405, "Method Not Allowed")
			return
		}
		a.respond(req, tx, 501, "Not Implemented")
	})
}

func known(m sip.RequestMethod) bool {
	switch m {
	case sip.REGISTER, sip.SUBSCRIBE, sip.NOTIFY, sip.REFER, sip.MESSAGE, sip.PRACK, sip.UPDATE, sip.PUBLISH:
		return true
	default:
		return false
	}
}

// respond answers a request with headers of its own; failures are the peer's
// retransmissions to repair.
func (a *userAgent) respond(req *sip.Request, tx sip.ServerTransaction, status int, reason string, extra ...sip.Header) {
	res := sip.NewResponseFromRequest(req, status, reason, nil)
	if req.Method == sip.OPTIONS || status == 405 || status == 501 {
		res.AppendHeader(sip.NewHeader("Allow", allow))
	}
	if req.Method == sip.OPTIONS {
		res.AppendHeader(sip.NewHeader("Accept", "application/sdp"))
	}
	for _, h := range extra {
		res.AppendHeader(h)
	}
	if err := tx.Respond(res); err != nil {
		a.log.Debug("response not sent", "method", req.Method.String(), "status", status, "error_class", errorClass(err))
	}
}

func (a *userAgent) onACK(req *sip.Request, _ sip.ServerTransaction) {
	id, ok := requestDialogID(req)
	if !ok || req.CSeq() == nil {
		return
	}
	if p := a.dialogs.find(id); p != nil {
		p.acked(req.CSeq().SeqNo)
	}
}

func (a *userAgent) onBye(req *sip.Request, tx sip.ServerTransaction) {
	p := a.inbound(req, tx)
	if p == nil {
		return
	}
	a.respond(req, tx, 200, "OK")
	p.onBye()
}

func (a *userAgent) onInfo(req *sip.Request, tx sip.ServerTransaction) {
	if a.inbound(req, tx) != nil {
		a.respond(req, tx, 200, "OK")
	}
}

// inbound finds the dialog of an in-dialog request and checks its CSeq; when it
// returns nil the request has been answered.
func (a *userAgent) inbound(req *sip.Request, tx sip.ServerTransaction) *peer {
	id, ok := requestDialogID(req)
	var p *peer
	if ok {
		p = a.dialogs.find(id)
	}
	if p == nil {
		a.respond(req, tx, 481, "Call/Transaction Does Not Exist")
		return nil
	}
	if req.CSeq() == nil || !p.fresh(req.CSeq().SeqNo) {
		a.respond(req, tx, 500, "Server Internal Error", sip.NewHeader("Retry-After", "1"))
		return nil
	}
	return p
}

// onInvite takes a new call or a re-INVITE.
func (a *userAgent) onInvite(req *sip.Request, tx sip.ServerTransaction) {
	if id, ok := requestDialogID(req); ok && id.local != "" {
		a.onReInvite(req, tx)
		return
	}
	if status, reason, extra := refuseInvite(req); status != 0 {
		a.respond(req, tx, status, reason, extra...)
		return
	}
	key := fmt.Sprintf("%s\x00%s\x00%d", req.CallID().Value(), tagOf(req.From().Params), req.CSeq().SeqNo)
	if !a.dialogs.enter(key) {
		a.respond(req, tx, 482, "Loop Detected")
		return
	}
	defer a.dialogs.leave(key)
	newUAS(a, req, tx).serve()
}

// refuseInvite checks what RFC 3261 section 8.2 wants checked before the call
// is looked at; status 0 lets it pass.
func refuseInvite(req *sip.Request) (status int, reason string, extra []sip.Header) {
	if req.From() == nil || req.To() == nil || req.CallID() == nil || req.CSeq() == nil || req.Contact() == nil {
		return 400, "Bad Request", nil
	}
	if mf := req.MaxForwards(); mf != nil && mf.Val() == 0 {
		return 483, "Too Many Hops", nil
	}
	if req.Recipient.Scheme != "sip" {
		return 416, "Unsupported URI Scheme", nil
	}
	if h := req.GetHeader("Require"); h != nil && h.Value() != "" {
		return 420, "Bad Extension", []sip.Header{sip.NewHeader("Unsupported", h.Value())}
	}
	if len(req.Body()) == 0 {
		return 488, "Not Acceptable Here", []sip.Header{sip.NewHeader("Warning", `399 callctl "INVITE without SDP offer"`)}
	}
	if ct := req.ContentType(); ct == nil || !isSDP(ct.Value()) {
		return 415, "Unsupported Media Type", []sip.Header{sip.NewHeader("Accept", "application/sdp")}
	}
	return 0, "", nil
}

// onReInvite absorbs hold and session refresh: the answer is the SDP that the
// dialog has, so nothing reaches the WhatsApp side, which knows no renegotiation.
// An offer that moves the media elsewhere cannot be followed and gets 488, which
// leaves the session as it was (RFC 3261 section 14.2).
func (a *userAgent) onReInvite(req *sip.Request, tx sip.ServerTransaction) {
	p := a.inbound(req, tx)
	if p == nil {
		return
	}
	if len(req.Body()) > 0 && !sameMedia(p.peerSDP, string(req.Body())) {
		a.respond(req, tx, 488, "Not Acceptable Here", sip.NewHeader("Warning", `399 callctl "media cannot be moved"`))
		return
	}
	res := a.okWithSDP(req, p.sdp)
	acked := p.awaitACK(req.CSeq().SeqNo)
	_ = a.untilACK(tx, res, acked)
}

func (a *userAgent) okWithSDP(req *sip.Request, sdp string) *sip.Response {
	res := sip.NewResponseFromRequest(req, 200, "OK", nil)
	res.AppendHeader(&sip.ContactHeader{Address: a.contact})
	res.AppendHeader(sip.NewHeader("Allow", allow))
	ct := sip.ContentTypeHeader("application/sdp")
	res.AppendHeader(&ct)
	res.SetBody([]byte(sdp))
	return res
}

// untilACK sends a 2xx to INVITE and repeats it from T1, doubling to T2, until
// its ACK comes (RFC 3261 section 13.3.1.4); false when none came in 64*T1.
func (a *userAgent) untilACK(tx sip.ServerTransaction, res *sip.Response, acked <-chan struct{}) bool {
	if err := tx.Respond(res); err != nil {
		return false
	}
	deadline := time.NewTimer(a.giveUp)
	defer deadline.Stop()
	wait := sip.T1
	for {
		repeat := time.NewTimer(wait)
		select {
		case <-acked:
			repeat.Stop()
			return true
		case <-a.closed:
			repeat.Stop()
			return false
		case <-deadline.C:
			repeat.Stop()
			return false
		case <-repeat.C:
			wait = min(2*wait, sip.T2)
			if err := tx.Respond(res); err != nil {
				continue
			}
		}
	}
}
