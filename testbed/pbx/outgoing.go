package pbx

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"
	"github.com/google/uuid"

	"github.com/callctl/callctl/testbed/stream"
)

// Call places a call to target, such as "sip:+6591234567@callctl;transport=tcp",
// by the Proxy if there is one. The INVITE leaves from Run's goroutines; the
// Call-ID names the call in Calls, HangUp (CANCEL before the answer, BYE after
// it) and the waits. Of e, HangUp, the codecs and the audio count. Names of
// extra headers map to their values.
func (p *PBX) Call(ctx context.Context, target string, e Extension, headers ...map[string]string) (string, error) {
	var uri sip.Uri
	if err := sip.ParseUri(target, &uri); err != nil {
		return "", fmt.Errorf("%w: %w", ErrTarget, err)
	}
	callID := uuid.NewString()
	c, err := p.newCall(callID, "", e)
	if err != nil {
		return "", err
	}
	c.record.Outbound = true
	o := &outgoing{p: p, c: c, transport: p.transportOf(uri), tag: uuid.NewString()}
	if err := o.invitation(uri, headers); err != nil {
		c.media.stop()
		return "", err
	}
	p.mu.Lock()
	stopped := p.stopped
	p.mu.Unlock()
	if stopped {
		c.media.stop()
		return "", ErrStopped
	}
	p.enlist(c, o.tag)
	select {
	case p.dial <- o.run:
		return callID, nil
	case <-p.done:
		err = ErrStopped
	case <-ctx.Done():
		err = fmt.Errorf("pbx: %w", ctx.Err())
	}
	c.media.stop()
	p.forget(o.tag)
	c.finish("refused", "pbx", 0)
	return "", err
}

// transportOf is the transport parameter of a URI, or what the PBX has.
func (p *PBX) transportOf(uri sip.Uri) string {
	if transport, ok := uri.UriParams.Get("transport"); ok {
		return strings.ToLower(transport)
	}
	if p.packets != nil {
		return "udp"
	}
	return "tcp"
}

// outgoing is a call that the PBX placed, while it lives.
type outgoing struct {
	p         *PBX
	c         *call
	transport string
	tag       string
	invite    *sip.Request
	offer     []stream.Codec
}

func (o *outgoing) invitation(uri sip.Uri, headers []map[string]string) error {
	if o.p.clients[o.transport] == nil {
		return fmt.Errorf("%w %q", ErrTransport, o.transport)
	}
	codecs, err := offered(o.c.extension.Codecs)
	if err != nil {
		return err
	}
	o.offer = codecs
	request := sip.NewRequest(sip.INVITE, uri)
	request.SetTransport(strings.ToUpper(o.transport))
	from := sip.FromHeader{Address: sip.Uri{Scheme: "sip", User: "pbx", Host: o.p.host, Port: o.p.port}, Params: sip.NewParams()}
	from.Params.Add("tag", o.tag)
	callID := sip.CallIDHeader(o.c.record.CallID)
	request.AppendHeader(&from)
	request.AppendHeader(&callID)
	request.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
	for _, set := range headers {
		for name, value := range set {
			request.AppendHeader(sip.NewHeader(name, value))
		}
	}
	o.p.mu.Lock()
	proxy := o.p.proxy
	o.p.mu.Unlock()
	if proxy != "" {
		// A preloaded route (RFC 3261 section 8.1.2) and not SetDestination, which
		// sipgo's CANCEL does not inherit.
		request.AppendHeader(sip.NewHeader("Route", "<sip:"+proxy+";transport="+o.transport+";lr>"))
	}
	request.SetBody(writeSDP(o.c.media.local(), codecs, []uint8{offeredEvent}))
	o.invite = request
	return nil
}

// run is the life of the call.
func (o *outgoing) run(ctx context.Context) {
	defer o.c.media.stop()
	defer o.p.forget(o.tag)
	ringing, giveUp := context.WithCancel(ctx)
	defer giveUp()
	answered := make(chan struct{})
	defer func() { <-answered }()
	go func() { // HangUp while it rings is CANCEL
		defer close(answered)
		select {
		case <-o.c.hangUp:
			giveUp()
		case <-ringing.Done():
		}
	}()
	dialog, err := o.p.dialogs(o.transport, "pbx").WriteInvite(context.WithoutCancel(ctx), o.invite)
	if err != nil {
		o.c.finish("refused", "pbx", 0)
		giveUp()
		return
	}
	err = dialog.WaitAnswer(ringing, sipgo.AnswerOptions{OnResponse: o.progress})
	cancelled := ringing.Err() != nil
	giveUp()
	<-answered
	o.settle(ctx, dialog, err, cancelled)
}

func (o *outgoing) progress(response *sip.Response) error {
	if !response.IsProvisional() {
		reason := reasonOf(response)
		o.c.change(func(r *Call) { r.Status, r.Reason = response.StatusCode, reason })
	}
	return nil
}

// settle acts on the final response.
func (o *outgoing) settle(ctx context.Context, dialog *sipgo.DialogClientSession, err error, cancelled bool) {
	response := dialog.InviteResponse
	if err != nil && (response == nil || !response.IsSuccess()) {
		state, by, status := "refused", "peer", 0
		if cancelled {
			state, by = "cancelled", "pbx"
		}
		if response != nil && !response.IsProvisional() {
			status = response.StatusCode
			_ = o.progress(response)
		}
		o.c.finish(state, by, status)
		return
	}
	if ackErr := dialog.Ack(ctx); ackErr != nil {
		err = errors.Join(err, ackErr)
	}
	bye := func(ctx context.Context) error {
		target := o.invite.Recipient
		if contact := response.Contact(); contact != nil {
			target = contact.Address
		}
		request := sip.NewRequest(sip.BYE, *target.Clone())
		return dialog.WriteBye(ctx, request)
	}
	theirs, sdpErr := parseSDP(response.Body())
	if err != nil || cancelled || sdpErr != nil || !o.talk(ctx, theirs) {
		o.c.finish("cancelled", "pbx", response.StatusCode)
		ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), farewell)
		defer stop()
		_ = bye(ctx)
		return
	}
	o.c.converse(ctx, bye)
}

// talk starts the audio as the answer says.
func (o *outgoing) talk(ctx context.Context, theirs *remote) bool {
	names := make([]string, 0, len(theirs.codecs))
	for _, codec := range theirs.codecs {
		names = append(names, codec.Name)
	}
	codec, ok := choose(names, o.offer)
	if !ok {
		return false
	}
	o.c.media.start(ctx, theirs.address, codec, []uint8{offeredEvent}, o.c.extension)
	o.c.change(func(r *Call) { r.State, r.Codec, r.Answered = "answered", codec.Name, time.Now() })
	return true
}
