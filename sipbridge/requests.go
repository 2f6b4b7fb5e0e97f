package sipbridge

import (
	"context"
	"fmt"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"
)

const maxForwards = 70

// asBuilt tells sipgo to send a request as it is.
func asBuilt(*sipgo.Client, *sip.Request) error { return nil }

// newRequest starts a request of ours towards the trunk: request line, top Via,
// Max-Forwards, transport and local address.
func (a *userAgent) newRequest(method sip.RequestMethod, uri sip.Uri) *sip.Request {
	req := sip.NewRequest(method, uri)
	via := &sip.ViaHeader{
		ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: a.trunk.transport,
		Host: a.contact.Host, Port: a.contact.Port,
	}
	via.Params.Add("branch", sip.GenerateBranchN(tagLength))
	via.Params.Add("rport", "")
	hops := sip.MaxForwardsHeader(maxForwards)
	req.AppendHeader(via)
	req.AppendHeader(&hops)
	req.SetTransport(a.trunk.transport)
	if a.trunk.transport == "UDP" {
		a.laddr.Copy(&req.Laddr)
	}
	return req
}

// inDialog builds a request within d (RFC 3261 section 12.2.1.1), loose or
// strict routing.
func (a *userAgent) inDialog(d *dialog, method sip.RequestMethod, cseq uint32) *sip.Request {
	uri, routes := d.target, d.routes
	next := uri
	if len(routes) > 0 {
		next = routes[0]
		if !routes[0].UriParams.Has("lr") {
			uri, routes = routes[0], append(append([]sip.Uri{}, routes[1:]...), d.target)
		}
	}
	req := a.newRequest(method, uri)
	for _, r := range routes {
		req.AppendHeader(&sip.RouteHeader{Address: r})
	}
	callID := sip.CallIDHeader(d.id.callID)
	req.AppendHeader(cloneFrom(&d.local))
	req.AppendHeader(cloneTo(&d.remote))
	req.AppendHeader(&callID)
	req.AppendHeader(&sip.CSeqHeader{SeqNo: cseq, MethodName: method})
	req.SetDestination(hostPortOf(next))
	if len(d.routes) == 0 && a.connected(d.flow) {
		req.SetDestination(d.flow)
	}
	return req
}

// connected tells whether a stream connection to addr is open, so that a dialog
// that came over it goes on over it.
func (a *userAgent) connected(addr string) bool {
	if a.trunk.transport != "TCP" || addr == "" {
		return false
	}
	c, err := a.ua.TransportLayer().GetConnection("tcp", addr)
	if err != nil {
		return false
	}
	_, _ = c.TryClose()
	return true
}

// transaction sends a request and returns its transaction. It may look names up
// and connect, so it does not belong on a call's goroutine.
func (a *userAgent) transaction(req *sip.Request) (sip.ClientTransaction, error) {
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	tx, err := a.client.TransactionRequest(ctx, req, asBuilt)
	if err != nil {
		return nil, fmt.Errorf("send %s: %w", req.Method, err)
	}
	return tx, nil
}

// exchange sends a non-INVITE request and waits for its final response, at most
// 64*T1 (RFC 3261 section 17.1.2).
func (a *userAgent) exchange(req *sip.Request) (*sip.Response, error) {
	tx, err := a.transaction(req)
	if err != nil {
		return nil, err
	}
	deadline := time.NewTimer(a.giveUp)
	defer deadline.Stop()
	for {
		select {
		case res := <-tx.Responses():
			if !res.IsProvisional() {
				return res, nil
			}
		case <-tx.Done():
			return nil, fmt.Errorf("%w: %w", errNoFinal, tx.Err())
		case <-deadline.C:
			tx.Terminate()
			return nil, errNoFinal
		case <-a.closed:
			tx.Terminate()
			return nil, errClosed
		}
	}
}

// bye ends a dialog and waits for the answer; digest challenges are answered. Any
// other final response ends the dialog too (RFC 3261 section 15.1.1).
func (a *userAgent) bye(d *dialog, cseq uint32, c Cause) error {
	var auth sip.Header
	for try := 0; ; try++ {
		req := a.inDialog(d, sip.BYE, cseq+uint32(try))
		if auth != nil {
			req.AppendHeader(auth)
		}
		req.AppendHeader(reasonHeader(c))
		req.SetBody(nil)
		res, err := a.exchange(req)
		if err != nil {
			return err
		}
		if !challenged(res) {
			return nil
		}
		if auth, err = a.answerChallenge(res, req, try); err != nil {
			return err
		}
	}
}

// ack acknowledges a 2xx (RFC 3261 section 13.2.2.4): it is no transaction. Like
// transaction it may look names up and connect.
func (a *userAgent) ack(d *dialog, inviteCSeq uint32) error {
	req := a.inDialog(d, sip.ACK, inviteCSeq)
	req.SetBody(nil)
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	conn, err := a.ua.TransportLayer().ClientRequestConnection(ctx, req)
	if err != nil {
		return fmt.Errorf("send ACK: %w", err)
	}
	defer func() { _, _ = conn.TryClose() }()
	if err := conn.WriteMsg(req); err != nil {
		return fmt.Errorf("send ACK: %w", err)
	}
	return nil
}

// refuseAnswer ends a dialog that nobody wants: a forked 2xx, or one that came
// after its call had ended. ACK, then BYE.
func (a *userAgent) refuseAnswer(res *sip.Response) {
	d, err := dialogFromAnswer(res)
	if err != nil {
		return
	}
	a.spawn(func() {
		if err := a.ack(d, d.cseq); err != nil {
			a.log.Warn("stray answer not acknowledged", "error_class", errorClass(err))
		}
		if err := a.bye(d, d.cseq+1, causeOf(CauseHungUp)); err != nil {
			a.log.Warn("stray answer not ended", "error_class", errorClass(err))
		}
	})
}

// onStrayResponse hears of responses whose transaction is gone.
func (a *userAgent) onStrayResponse(res *sip.Response) {
	cseq, from, to, cid := res.CSeq(), res.From(), res.To(), res.CallID()
	if cseq == nil || from == nil || to == nil || cid == nil {
		return
	}
	if !res.IsSuccess() || cseq.MethodName != sip.INVITE {
		return
	}
	id := dialogID{callID: cid.Value(), local: tagOf(from.Params), remote: tagOf(to.Params)}
	if a.dialogs.find(id) == nil {
		a.refuseAnswer(res)
	}
}
