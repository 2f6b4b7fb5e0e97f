package permissions

// The providers' words for what became of a message that matter here.
const (
	deliveryArrived = "delivered"
	deliveryRead    = "read"
	deliveryFailed  = "failed"
)

// applyReadBack keeps the provider's word. That there is no permission takes the
// grant away, unless it had ended by then as the provider said it would; that
// there is one confirms the grant that stands, when it names none other.
func (h *history) applyReadBack(e *Event) {
	h.read = e
	switch {
	case h.grant == nil:
	case !e.denies():
		if e.Ref == "" {
			h.confirm(e)
		}
	case h.expires.IsZero() || e.At.Before(h.expires):
		h.takeAway(e)
	}
}

// denies is true for a read-back that found no permission.
func (e *Event) denies() bool {
	return e.Kind == ReadBack && e.Provided != nil && e.Provided.Status == StatusNone
}

// confirm takes a read-back as the provider's word for the standing grant. The
// earlier of the two expiries counts.
func (h *history) confirm(e *Event) {
	h.verified = true
	if !e.Expires.IsZero() && (h.expires.IsZero() || e.Expires.Before(h.expires)) {
		h.expires = e.Expires
	}
}

// confirmByReference applies the read-backs that name the standing grant; they
// do not depend on whose clock was ahead.
func (h *history) confirmByReference() {
	if h.grant == nil {
		return
	}
	for i := range h.events {
		if e := &h.events[i]; e.Kind == ReadBack && e.Ref == h.grant.ID && !e.denies() {
			h.confirm(e)
		}
	}
}

// refusal is true for a call that the provider refused for want of permission,
// although a grant stood here.
func (e *Event) refusal() bool {
	return e.Kind == Settled && e.Outcome == OutcomeRefused && e.Ref != ""
}

// trust is what became of a grant that the provider once did not honour.
type trust struct {
	doubt *Event // the refusal that no read-back resolved
	kept  bool   // a read-back confirmed the grant after a refusal
	ended *Event // the refusal after that
}

// weighRefusals puts the standing grant in doubt after a provider's refusal, until
// a read-back confirms it; a further refusal after that ends it. Refusals name
// the grant that they were about, so whose clock was ahead does not matter.
func (h *history) weighRefusals() {
	grants := make(map[string]*trust)
	for i := range h.events {
		e := &h.events[i]
		switch {
		case e.refusal():
			t := grants[e.Ref]
			if t == nil {
				t = &trust{}
				grants[e.Ref] = t
			}
			h.epoch += t.refused(e)
		case e.Kind == ReadBack && !e.denies():
			for id, t := range grants {
				if (e.Ref == "" || e.Ref == id) && t.doubt != nil {
					t.doubt, t.kept = nil, true
				}
			}
		}
	}
	if h.grant == nil || grants[h.grant.ID] == nil {
		return
	}
	t := grants[h.grant.ID]
	h.doubt = t.doubt
	if t.ended != nil {
		h.grant, h.bar, h.doubt = nil, t.ended, nil
	}
}

// refused counts a refusal; it is 1 when it ends the grant, else 0.
func (t *trust) refused(e *Event) int64 {
	switch {
	case t.ended != nil:
	case t.kept:
		t.ended = e
		return 1
	case t.doubt == nil:
		t.doubt = e
	}
	return 0
}
