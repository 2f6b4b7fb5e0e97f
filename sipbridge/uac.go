package sipbridge

import (
	"time"

	"github.com/emiago/sipgo/sip"
)

type uacPhase int

const (
	uacIdle       uacPhase = iota
	uacCalling             // INVITE sent or being sent, nothing heard
	uacProceeding          // a provisional response came
	uacAnswered            // 2xx came, dialog established
	uacDone                // nothing to expect of the INVITE
)

// uac is a leg placed by us: one INVITE to the PBX, its transactions (a second
// one when challenged), and the dialog that came of it. All methods run on the
// call's goroutine except pump.
type uac struct {
	ua     *userAgent
	host   legHost
	events legEvents

	target  sip.Uri
	user    string // in From and P-Asserted-Identity
	headers []sip.Header
	offer   string
	callID  string
	tag     string

	phase      uacPhase
	cseq       uint32
	invite     *sip.Request
	tx         sip.ClientTransaction
	challenges int // answered
	ending     *Cause
	cancelSent bool
	giveUp     *time.Timer
	dialog     *dialog
	acked      chan struct{} // closed once the last ACK was sent
	busy       int           // requests of ours whose answer is awaited
}

// newUAC prepares a leg to the agent; start sends it.
func newUAC(ua *userAgent, host legHost, events legEvents, target sip.Uri, user, callID string) *uac {
	return &uac{
		ua: ua, host: host, events: events, target: target, user: user,
		callID: callID, tag: sip.GenerateTagN(tagLength),
	}
}

func (u *uac) sipCallID() string { return u.callID }

func (u *uac) finished() bool { return u.phase == uacDone && u.busy == 0 }

// start sends the INVITE.
func (u *uac) start(offer string, headers []sip.Header) {
	u.offer, u.headers, u.phase = offer, headers, uacCalling
	u.send(nil)
}

func (u *uac) send(auth sip.Header) {
	u.cseq++
	u.cancelSent = false
	req := u.build(auth)
	u.invite, u.tx = req, nil
	u.busy++
	u.host.spawn(func() {
		tx, err := u.ua.transaction(req)
		if err != nil {
			u.host.post(func() { u.busy--; u.failed(req, 0) })
			return
		}
		tx.OnRetransmission(func(res *sip.Response) {
			if !u.host.post(func() { u.onResponse(req, res) }) && res.IsSuccess() {
				u.ua.refuseAnswer(res)
			}
		})
		u.host.post(func() { u.onSent(req, tx) })
		u.pump(req, tx)
	})
}

func (u *uac) build(auth sip.Header) *sip.Request {
	req := u.ua.newRequest(sip.INVITE, u.target)
	from := &sip.FromHeader{Address: sip.Uri{Scheme: "sip", User: u.user, Host: u.ua.contact.Host}}
	from.Params.Add("tag", u.tag)
	callID := sip.CallIDHeader(u.callID)
	req.AppendHeader(from)
	req.AppendHeader(&sip.ToHeader{Address: sip.Uri{Scheme: "sip", User: u.target.User, Host: u.target.Host}})
	req.AppendHeader(&callID)
	req.AppendHeader(&sip.CSeqHeader{SeqNo: u.cseq, MethodName: sip.INVITE})
	req.AppendHeader(&sip.ContactHeader{Address: u.ua.contact})
	if auth != nil {
		req.AppendHeader(auth)
	}
	req.AppendHeader(sip.NewHeader("Allow", allow))
	for _, h := range u.headers {
		req.AppendHeader(h)
	}
	ct := sip.ContentTypeHeader("application/sdp")
	req.AppendHeader(&ct)
	req.SetBody([]byte(u.offer))
	req.SetDestination(u.ua.trunk.hostPort())
	return req
}

// pump carries a transaction's responses to the call's goroutine until the
// final one.
func (u *uac) pump(req *sip.Request, tx sip.ClientTransaction) {
	for {
		select {
		case res := <-tx.Responses():
			if res.IsProvisional() {
				u.host.post(func() { u.onResponse(req, res) })
				continue
			}
			u.host.post(func() { u.busy--; u.onResponse(req, res) })
			return
		case <-tx.Done():
			u.host.post(func() { u.busy--; u.failed(req, 0) })
			return
		}
	}
}

func (u *uac) onSent(req *sip.Request, tx sip.ClientTransaction) {
	if req == u.invite {
		u.tx = tx
	}
}

func (u *uac) onResponse(req *sip.Request, res *sip.Response) {
	switch {
	case res.IsSuccess():
		u.onSuccess(res)
	case req != u.invite || u.phase == uacAnswered || u.phase == uacDone:
	case res.IsProvisional():
		u.onProvisional(res)
	case challenged(res):
		u.onChallenge(req, res)
	default:
		u.failed(req, res.StatusCode)
	}
}

func (u *uac) onProvisional(res *sip.Response) {
	u.phase = uacProceeding
	if u.ending != nil {
		u.cancel()
		return
	}
	if res.StatusCode > sip.StatusTrying {
		u.events.legRinging()
	}
}

func (u *uac) onChallenge(req *sip.Request, res *sip.Response) {
	if u.ending != nil {
		u.failed(req, res.StatusCode)
		return
	}
	auth, err := u.ua.answerChallenge(res, req, u.challenges)
	if err != nil {
		u.failed(req, res.StatusCode)
		return
	}
	u.challenges++
	u.phase = uacCalling
	u.send(auth)
}

// onSuccess takes a 2xx: the first makes the dialog, its repetitions are
// acknowledged again, and one from another fork is ended (RFC 3261 section
// 13.2.2.4). A 2xx that crossed our CANCEL is acknowledged and ended.
func (u *uac) onSuccess(res *sip.Response) {
	if u.dialog != nil {
		if to := res.To(); to != nil && tagOf(to.Params) == u.dialog.id.remote {
			u.acknowledge()
			return
		}
		u.ua.refuseAnswer(res)
		return
	}
	d, err := dialogFromAnswer(res)
	if err != nil || u.phase == uacDone {
		u.ua.refuseAnswer(res)
		u.failed(u.invite, sip.StatusInternalServerError)
		return
	}
	u.stopGiveUp()
	u.dialog, u.phase = d, uacAnswered
	sdp := string(res.Body())
	u.ua.dialogs.add(&peer{
		id: d.id, sdp: u.offer, peerSDP: sdp,
		onBye: func() { u.host.post(u.onBye) },
	})
	u.acknowledge()
	if u.ending != nil {
		u.bye(*u.ending)
		return
	}
	u.events.legAnswered(sdp)
}

// acknowledge sends the ACK beside the loop, after the one before it: it may have
// to connect.
func (u *uac) acknowledge() {
	d, cseq, before, sent := u.dialog, u.cseq, u.acked, make(chan struct{})
	u.acked = sent
	u.busy++
	u.host.spawn(func() {
		if before != nil {
			<-before
		}
		if err := u.ua.ack(d, cseq); err != nil {
			u.ua.log.Warn("ACK not sent", "error_class", errorClass(err))
		}
		close(sent)
		u.host.post(func() { u.busy-- })
	})
}

// failed ends the leg before an answer.
func (u *uac) failed(req *sip.Request, status int) {
	if req != u.invite || u.phase == uacDone || u.phase == uacAnswered {
		return
	}
	u.stopGiveUp()
	u.phase = uacDone
	u.events.legFailed(status)
}

func (u *uac) onBye() {
	if u.phase != uacAnswered {
		return
	}
	u.phase = uacDone
	u.ua.dialogs.remove(u.dialog.id)
	u.events.legBye()
}

// hangUp implements pbxLeg.
func (u *uac) hangUp(c Cause) {
	if u.ending != nil {
		return
	}
	u.ending = &c
	switch u.phase {
	case uacIdle:
		u.phase = uacDone
	case uacProceeding:
		u.cancel()
	case uacAnswered:
		u.bye(c)
	case uacCalling, uacDone: // CANCEL waits for a provisional response (RFC 3261 section 9.1)
	}
}

// bye ends the dialog, after its ACK.
func (u *uac) bye(c Cause) {
	d, acked := u.dialog, u.acked
	u.phase = uacDone
	u.ua.dialogs.remove(d.id)
	cseq := u.cseq + 1
	u.busy++
	u.host.spawn(func() {
		<-acked
		if err := u.ua.bye(d, cseq, c); err != nil {
			u.ua.log.Warn("BYE not answered", "error_class", errorClass(err))
		}
		u.host.post(func() { u.busy-- })
	})
}

// cancel sends CANCEL once and gives the INVITE 64*T1 to end (section 9.1).
func (u *uac) cancel() {
	if u.cancelSent {
		return
	}
	u.cancelSent = true
	req := cancelOf(u.invite, u.ua)
	req.AppendHeader(reasonHeader(*u.ending))
	req.SetBody(nil)
	u.busy++
	u.host.spawn(func() {
		if _, err := u.ua.exchange(req); err != nil {
			u.ua.log.Warn("CANCEL not answered", "error_class", errorClass(err))
		}
		u.host.post(func() { u.busy-- })
	})
	invite, tx := u.invite, u.tx
	u.giveUp = time.AfterFunc(u.ua.giveUp, func() {
		u.host.post(func() {
			if tx != nil {
				tx.Terminate()
			}
			u.failed(invite, sip.StatusRequestTimeout)
		})
	})
}

func (u *uac) stopGiveUp() {
	if u.giveUp != nil {
		u.giveUp.Stop()
	}
}

// cancelOf builds the CANCEL of an INVITE: same Request-URI, top Via, Route,
// From, To, Call-ID and CSeq number (RFC 3261 section 9.1).
func cancelOf(invite *sip.Request, ua *userAgent) *sip.Request {
	req := ua.newRequest(sip.CANCEL, invite.Recipient)
	req.ReplaceHeader(invite.Via().Clone())
	callID := *invite.CallID()
	req.AppendHeader(cloneFrom(invite.From()))
	req.AppendHeader(cloneTo(invite.To()))
	req.AppendHeader(&callID)
	req.AppendHeader(&sip.CSeqHeader{SeqNo: invite.CSeq().SeqNo, MethodName: sip.CANCEL})
	req.SetDestination(invite.Destination())
	return req
}
