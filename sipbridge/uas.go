package sipbridge

import (
	"strings"
	"sync/atomic"

	"github.com/emiago/sipgo/sip"
)

type uasPhase int

const (
	uasRinging   uasPhase = iota // INVITE received, no final response
	uasAnswered                  // 200 sent, ACK awaited
	uasConfirmed                 // ACK came
	uasDone
)

// uas is a leg placed by the PBX: a call to a WhatsApp user. serve runs on
// sipgo's goroutine and holds the transaction open; the rest runs on the call's.
type uas struct {
	ua     *userAgent
	host   legHost
	events legEvents
	req    *sip.Request
	tx     sip.ServerTransaction
	tag    string
	number string // user part of the Request-URI
	caller string // user part of From
	sdp    string // our answer

	phase     uasPhase
	ending    *Cause
	dialog    *dialog
	busy      int
	cancelled atomic.Bool
	final     chan *sip.Response // what serve shall send; closed without one when sent already
	acked     chan struct{}
	ackOnce   atomic.Bool
}

func newUAS(ua *userAgent, req *sip.Request, tx sip.ServerTransaction) *uas {
	req = req.Clone() // ours to write into: sipgo reads its own whenever a CANCEL comes
	return &uas{
		ua: ua, req: req, tx: tx, tag: sip.GenerateTagN(tagLength),
		number: strings.ReplaceAll(req.Recipient.User, "%2B", "+"), caller: req.From().Address.User,
		final: make(chan *sip.Response, 1), acked: make(chan struct{}),
	}
}

func (u *uas) sipCallID() string { return u.req.CallID().Value() }

func (u *uas) finished() bool { return u.phase == uasDone && u.busy == 0 }

// serve hands the call to the bridge and keeps the transaction until its final
// response is through: sipgo ends it when the handler returns.
func (u *uas) serve() {
	// Our responses carry our tag. The 487 that sipgo sends by itself on CANCEL has
	// one of its own: RFC 3261 section 9.2 only recommends that they be the same.
	u.req.To().Params.Add("tag", u.tag)
	u.respond(u.newResponse(sip.StatusTrying, "Trying"))
	if u.ua.invited == nil {
		u.respond(u.newResponse(sip.StatusServiceUnavailable, "Service Unavailable"))
		return
	}
	u.ua.invited(u)
	select {
	case res := <-u.final:
		if res == nil {
			return
		}
		ok := u.ua.untilACK(u.tx, res, u.acked)
		u.host.post(func() { u.settled(ok) })
	case <-u.ua.closed:
	}
}

// watchCancel tells the call of a CANCEL; sipgo answers it and the INVITE (487).
func (u *uas) watchCancel() {
	gone := func() {
		u.cancelled.Store(true)
		u.host.post(u.onCancel)
	}
	if !u.tx.OnCancel(func(*sip.Request) { gone() }) {
		gone()
	}
}

func (u *uas) onCancel() {
	if u.phase != uasRinging {
		return
	}
	u.phase = uasDone
	close(u.final)
	u.events.legCancelled()
}

func (u *uas) newResponse(status int, reason string) *sip.Response {
	res := sip.NewResponseFromRequest(u.req, status, reason, nil)
	if status > sip.StatusTrying && status < 300 {
		res.AppendHeader(&sip.ContactHeader{Address: u.ua.contact})
	}
	return res
}

func (u *uas) respond(res *sip.Response) {
	if u.cancelled.Load() {
		return
	}
	if err := u.tx.Respond(res); err != nil {
		u.ua.log.Debug("response not sent", "status", res.StatusCode, "error_class", errorClass(err))
	}
}

// ringing sends 180.
func (u *uas) ringing() {
	if u.phase == uasRinging {
		u.respond(u.newResponse(sip.StatusRinging, "Ringing"))
	}
}

// answer sends 200 with our SDP, once; the call hears legConfirmed or legUnconfirmed.
func (u *uas) answer() {
	if u.phase != uasRinging || u.cancelled.Load() {
		return
	}
	d, err := dialogFromInvite(u.req, u.tag)
	if err != nil {
		u.refuse(causeOf(CauseInternal))
		return
	}
	u.dialog, u.phase = d, uasAnswered
	u.ua.dialogs.add(&peer{
		id: d.id, sdp: u.sdp, peerSDP: string(u.req.Body()), lastCSeq: u.req.CSeq().SeqNo,
		onBye: func() { u.host.post(u.onBye) },
		onACK: u.onACK,
	})
	u.busy++
	u.final <- u.ua.okWithSDP(u.req, u.sdp)
}

func (u *uas) onACK(cseq uint32) {
	if cseq == u.req.CSeq().SeqNo && u.ackOnce.CompareAndSwap(false, true) {
		close(u.acked)
	}
}

// settled is the end of the INVITE transaction after our 200: acknowledged or
// not. Without ACK the dialog is ended by BYE (RFC 3261 section 13.3.1.4),
// unless the 200 never left because a CANCEL was first.
func (u *uas) settled(acked bool) {
	u.busy--
	if u.phase != uasAnswered {
		return
	}
	if u.cancelled.Load() && !acked {
		u.phase = uasDone
		u.ua.dialogs.remove(u.dialog.id)
		u.events.legCancelled()
		return
	}
	u.phase = uasConfirmed
	switch {
	case u.ending != nil:
		u.bye(*u.ending)
	case acked:
		u.events.legConfirmed()
	default:
		u.events.legUnconfirmed()
	}
}

func (u *uas) onBye() {
	if u.phase != uasAnswered && u.phase != uasConfirmed {
		return
	}
	u.phase = uasDone
	u.onACK(u.req.CSeq().SeqNo) // nobody will acknowledge any more: stop repeating the 200
	u.ua.dialogs.remove(u.dialog.id)
	u.events.legBye()
}

// hangUp implements pbxLeg. A callee may not send BYE before the ACK (RFC 3261
// section 15), so an unacknowledged answer waits for it.
func (u *uas) hangUp(c Cause) {
	if u.ending != nil {
		return
	}
	u.ending = &c
	switch u.phase {
	case uasRinging:
		u.refuse(c)
	case uasConfirmed:
		u.bye(c)
	case uasAnswered, uasDone:
	}
}

// refuse sends the final error of a cause.
func (u *uas) refuse(c Cause, extra ...sip.Header) {
	if u.phase != uasRinging {
		return
	}
	u.phase = uasDone
	res := u.newResponse(c.SIP, statusText(c.SIP))
	if len(extra) == 0 {
		extra = []sip.Header{reasonHeader(c)}
	}
	for _, h := range extra {
		res.AppendHeader(h)
	}
	u.respond(res)
	close(u.final)
}

func (u *uas) bye(c Cause) {
	d := u.dialog
	u.phase = uasDone
	u.ua.dialogs.remove(d.id)
	u.busy++
	u.host.spawn(func() {
		if err := u.ua.bye(d, 1, c); err != nil {
			u.ua.log.Warn("BYE not answered", "error_class", errorClass(err))
		}
		u.host.post(func() { u.busy-- })
	})
}

func statusText(status int) string {
	switch status {
	case 403:
		return "Forbidden"
	case 404:
		return "Not Found"
	case 480:
		return "Temporarily Unavailable"
	case 486:
		return "Busy Here"
	case 487:
		return "Request Terminated"
	case 488:
		return "Not Acceptable Here"
	case 503:
		return "Service Unavailable"
	case 603:
		return "Decline"
	default:
		return "Server Internal Error"
	}
}
