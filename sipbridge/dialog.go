package sipbridge

import (
	"fmt"
	"slices"

	"github.com/emiago/sipgo/sip"
)

// dialogID names a dialog from our side (RFC 3261 section 12).
type dialogID struct{ callID, local, remote string }

// dialog is the state of one SIP dialog with the PBX (RFC 3261 section 12). It
// belongs to its call's goroutine.
type dialog struct {
	id     dialogID
	local  sip.FromHeader // us, with our tag
	remote sip.ToHeader   // the peer, with its tag
	target sip.Uri        // the peer's Contact
	routes []sip.Uri      // route set, nearest first
	cseq   uint32         // of our INVITE, in a dialog that it made
	flow   string         // remote address of the connection that is open (streams)
}

// dialogFromAnswer is the dialog that a 2xx to our INVITE made (section 12.1.2).
func dialogFromAnswer(res *sip.Response) (*dialog, error) {
	from, to, cid, cseq := res.From(), res.To(), res.CallID(), res.CSeq()
	if from == nil || to == nil || cid == nil || cseq == nil {
		return nil, errNoDialog
	}
	contact := res.Contact()
	if contact == nil {
		return nil, errNoContact
	}
	d := &dialog{
		local:  *cloneFrom(from),
		remote: *cloneTo(to),
		target: *contact.Address.Clone(),
		cseq:   cseq.SeqNo,
		flow:   res.Source(),
	}
	d.routes = recordRoutes(res)
	slices.Reverse(d.routes)
	d.id = dialogID{callID: cid.Value(), local: tagOf(from.Params), remote: tagOf(to.Params)}
	return d, nil
}

// dialogFromInvite is the dialog that our 2xx to an INVITE makes (section
// 12.1.1); tag is ours.
func dialogFromInvite(req *sip.Request, tag string) (*dialog, error) {
	from, to, cid := req.From(), req.To(), req.CallID()
	if from == nil || to == nil || cid == nil {
		return nil, errNoDialog
	}
	contact := req.Contact()
	if contact == nil {
		return nil, errNoContact
	}
	local := to.AsFrom()
	local.Params = to.Params.Clone()
	local.Params.Remove("tag")
	local.Params.Add("tag", tag)
	remote := from.AsTo()
	remote.Params = from.Params.Clone()
	return &dialog{
		id:     dialogID{callID: cid.Value(), local: tag, remote: tagOf(from.Params)},
		local:  local,
		remote: remote,
		target: *contact.Address.Clone(),
		routes: recordRoutes(req),
		flow:   req.Source(),
	}, nil
}

// requestDialogID is the dialog that a request of the peer belongs to; ok is
// false when it is outside of any.
func requestDialogID(req *sip.Request) (id dialogID, ok bool) {
	from, to, cid := req.From(), req.To(), req.CallID()
	if from == nil || to == nil || cid == nil {
		return dialogID{}, false
	}
	id = dialogID{callID: cid.Value(), local: tagOf(to.Params), remote: tagOf(from.Params)}
	return id, id.local != ""
}

func recordRoutes(msg sip.Message) []sip.Uri {
	var out []sip.Uri
	for _, h := range msg.GetHeaders("Record-Route") {
		if rr, ok := h.(*sip.RecordRouteHeader); ok {
			out = append(out, *rr.Address.Clone())
		}
	}
	return out
}

func tagOf(p sip.HeaderParams) string { return p.GetOr("tag", "") }

func cloneFrom(h *sip.FromHeader) *sip.FromHeader {
	c := *h
	c.Params = h.Params.Clone()
	return &c
}

func cloneTo(h *sip.ToHeader) *sip.ToHeader {
	c := *h
	c.Params = h.Params.Clone()
	return &c
}

// reasonHeader is RFC 3326 for a cause. A refusal for want of permission names
// callctl and the gate's reason, as PBXs are told to expect.
func reasonHeader(c Cause) sip.Header {
	if c.SIP == sip.StatusForbidden {
		return sip.NewHeader("Reason", fmt.Sprintf(`callctl;cause=403;text=%q`, c.Word))
	}
	return sip.NewHeader("Reason", fmt.Sprintf(`Q.850;cause=%d;text=%q`, c.Q850, c.Text))
}
