package pbx

import (
	"context"
	"strings"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"

	"github.com/callctl/callctl/testbed/stream"
)

// incoming is the life of one call that comes in, from its INVITE to its end.
func (p *PBX) incoming(ctx context.Context, req *sip.Request, tx sip.ServerTransaction) {
	refuse := func(status int, reason string) {
		_ = tx.Respond(sip.NewResponseFromRequest(req, status, reason, nil))
	}
	if to := req.To(); to != nil && to.Params.Has("tag") {
		refuse(sip.StatusNotAcceptableHere, "No Re-INVITE Here")
		return
	}
	if !p.enter() {
		refuse(sip.StatusServiceUnavailable, "Stopping")
		return
	}
	defer p.calling.Done()
	p.mu.Lock()
	extension, known := p.extensions[req.Recipient.User]
	p.mu.Unlock()
	if !known {
		refuse(sip.StatusNotFound, "No Such Extension")
		return
	}
	c, err := p.newCall(req.CallID().Value(), req.Recipient.User, extension)
	if err != nil {
		refuse(sip.StatusInternalServerError, "No Media Port")
		return
	}
	defer c.media.stop()
	theirs, err := parseSDP(req.Body())
	if err != nil {
		refuse(sip.StatusNotAcceptableHere, "No Usable SDP")
		return
	}
	codec, ok := choose(c.extension.Codecs, theirs.codecs)
	if !ok {
		refuse(sip.StatusNotAcceptableHere, "No Common Codec")
		return
	}
	dialog, err := p.dialogs(strings.ToLower(req.Transport()), req.Recipient.User).ReadInvite(req, tx)
	if err != nil {
		refuse(sip.StatusBadRequest, "Bad Request")
		return
	}
	(&answering{p: p, c: c, dialog: dialog, tx: tx, theirs: theirs, codec: codec}).run(ctx)
}

// answering is a call that came in, while it lives.
type answering struct {
	p      *PBX
	c      *call
	dialog *sipgo.DialogServerSession
	tx     sip.ServerTransaction
	theirs *remote
	codec  stream.Codec
}

func (a *answering) run(ctx context.Context) {
	a.c.record.Headers = headersOf(a.dialog.InviteRequest)
	tag, _ := a.dialog.InviteRequest.To().Params.Get("tag")
	a.c.onAck = func(req *sip.Request) { _ = a.dialog.ReadAck(req, nil) }
	a.tx.OnCancel(func(cancel *sip.Request) {
		reason := reasonOf(cancel)
		a.c.change(func(r *Call) { r.Reason = reason })
	})
	a.p.enlist(a.c, tag)
	defer a.p.forget(tag)
	a.ringing(ctx)
	if a.ring(ctx) && a.accept(ctx) {
		a.c.converse(ctx, a.bye)
	}
}

func (a *answering) ringing(ctx context.Context) {
	if !a.c.extension.EarlyMedia {
		_ = a.respond(sip.StatusRinging, "Ringing", nil)
		return
	}
	a.c.media.start(ctx, a.theirs.address, a.codec, a.theirs.events, a.c.extension)
	a.c.change(func(r *Call) { r.Codec = a.codec.Name })
	_ = a.respond(sip.StatusSessionInProgress, "Session Progress", a.sdp())
}

// ring waits as the extension says and reports whether it answers.
func (a *answering) ring(ctx context.Context) bool {
	timer := time.NewTimer(a.c.extension.RingFor)
	defer timer.Stop()
	due := timer.C
	if a.c.extension.Then == "ignore" {
		due = nil
	}
	select {
	case <-a.dialog.Context().Done(): // CANCEL; sipgo answered it and the INVITE (487)
		a.c.finish("cancelled", "peer", sip.StatusRequestTerminated)
		return false
	case <-a.c.hangUp:
		a.refuse(sip.StatusTemporarilyUnavailable, "Temporarily Unavailable")
		return false
	case <-ctx.Done():
		a.refuse(sip.StatusServiceUnavailable, "Stopping")
		return false
	case <-due:
	}
	switch a.c.extension.Then {
	case "busy":
		a.refuse(sip.StatusBusyHere, "Busy Here")
	case "decline":
		a.refuse(sip.StatusGlobalDecline, "Decline")
	default:
		return true
	}
	return false
}

func (a *answering) refuse(status int, reason string) {
	a.c.finish("refused", "pbx", status)
	_ = a.respond(status, reason, nil)
}

func (a *answering) respond(status int, reason string, sdp []byte) error {
	response := sip.NewResponseFromRequest(a.dialog.InviteRequest, status, reason, sdp)
	contact := a.p.dialogs(strings.ToLower(a.dialog.InviteRequest.Transport()), a.c.record.Extension).ContactHDR
	response.AppendHeader(&contact)
	response.AppendHeader(sip.NewHeader("Allow", "INVITE, ACK, BYE, CANCEL, OPTIONS"))
	if sdp != nil {
		response.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
	}
	a.dialog.InviteResponse = response
	return a.tx.Respond(response)
}

func (a *answering) sdp() []byte {
	events := a.theirs.events
	if len(events) > 1 {
		events = events[:1]
	}
	return writeSDP(a.c.media.local(), []stream.Codec{a.codec}, events)
}

// accept sends the 200 and repeats it until the ACK comes (RFC 3261 section
// 13.3.1.4), then starts the audio. It reports whether the call stands.
func (a *answering) accept(ctx context.Context) bool {
	if a.respond(sip.StatusOK, "OK", a.sdp()) != nil {
		a.c.finish("cancelled", "peer", sip.StatusRequestTerminated)
		return false
	}
	a.c.change(func(r *Call) { r.Status, r.Codec, r.Answered = sip.StatusOK, a.codec.Name, time.Now() })
	repeat := sip.T1
	timer, limit := time.NewTimer(repeat), time.NewTimer(64*sip.T1)
	defer timer.Stop()
	defer limit.Stop()
	for {
		select {
		case <-a.c.acked:
			if !a.c.extension.EarlyMedia {
				a.c.media.start(ctx, a.theirs.address, a.codec, a.theirs.events, a.c.extension)
			}
			a.c.change(func(r *Call) { r.State = "answered" })
			return true
		case <-timer.C:
			_ = a.tx.Respond(a.dialog.InviteResponse)
			repeat = min(2*repeat, sip.T2)
			timer.Reset(repeat)
		case <-a.c.ended:
			a.c.finish("ended", "peer", sip.StatusOK)
			return false
		case <-limit.C:
			a.withoutAck(ctx)
			return false
		case <-ctx.Done():
			a.withoutAck(ctx)
			return false
		}
	}
}

// withoutAck ends a call whose 200 nobody confirmed.
func (a *answering) withoutAck(ctx context.Context) {
	a.c.finish("ended", "pbx", sip.StatusOK)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	a.tx.Terminate()
	_ = a.bye(ctx)
}

func (a *answering) bye(ctx context.Context) error {
	contact := a.dialog.InviteRequest.Contact()
	request := sip.NewRequest(sip.BYE, *contact.Address.Clone())
	request.SetTransport(a.dialog.InviteRequest.Transport())
	return a.dialog.WriteBye(ctx, request)
}

// headersOf keeps the first of each header of an INVITE by its name as it was
// written.
func headersOf(req *sip.Request) map[string]string {
	headers := map[string]string{}
	for _, header := range req.Headers() {
		if _, twice := headers[header.Name()]; !twice {
			headers[header.Name()] = header.Value()
		}
	}
	return headers
}
