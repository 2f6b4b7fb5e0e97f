package sipbridge

import "time"

const (
	// markLife is how long an id without call is remembered.
	markLife = 10 * time.Minute
	// maxMarks bounds the memory that events without call can take.
	maxMarks = 10_000
	// maxEarly bounds the events kept for one id.
	maxEarly = 8
)

// mark is what is known of an id that has no live call.
type mark struct {
	at    time.Time
	ended bool    // the call was ours and is over
	lost  bool    // our connect whose answer was lost (id is ours)
	early []Event // events that came before their call
}

// tombstones remembers ids without call: ended ones, so that a late connect
// rings nobody; early ones, so that a terminate before its connect is obeyed;
// lost ones, so that a call that the provider made after all is ended. The
// bridge's lock guards it.
type tombstones struct {
	now   func() time.Time
	marks map[string]*mark
	order []string
}

func newTombstones(now func() time.Time) *tombstones {
	return &tombstones{now: now, marks: map[string]*mark{}}
}

func (t *tombstones) get(id string) *mark {
	t.prune()
	if m, ok := t.marks[id]; ok {
		return m
	}
	m := &mark{at: t.now()}
	t.marks[id] = m
	t.order = append(t.order, id)
	return m
}

func (t *tombstones) peek(id string) *mark {
	t.prune()
	return t.marks[id]
}

func (t *tombstones) prune() {
	now := t.now()
	for len(t.order) > 0 {
		m := t.marks[t.order[0]]
		if m != nil && now.Sub(m.at) < markLife && len(t.order) < maxMarks {
			return
		}
		delete(t.marks, t.order[0])
		t.order = t.order[1:]
	}
}

// ended says whether the call of an id was ours and is over.
func (t *tombstones) ended(wacid string) bool {
	m := t.peek(wacid)
	return m != nil && m.ended
}

func (t *tombstones) bury(wacid string) { t.get(wacid).ended = true }

func (t *tombstones) lose(callID string) { t.get(callID).lost = true }

// found says whether an event shows that a call exists whose connect was given up
// as lost, once.
func (t *tombstones) found(e Event) bool {
	m := t.peek(e.Opaque)
	if e.Opaque == "" || m == nil || !m.lost || e.Kind == CarrierTerminated || e.Kind == CarrierRejected {
		return false
	}
	m.lost = false
	return true
}

// hold keeps an event for a call that is not known yet.
func (t *tombstones) hold(e Event) {
	m := t.get(e.Wacid)
	if !m.ended && len(m.early) < maxEarly {
		m.early = append(m.early, e)
	}
}

// claim returns and forgets the events held for an id.
func (t *tombstones) claim(wacid string) []Event {
	m := t.peek(wacid)
	if m == nil {
		return nil
	}
	early := m.early
	m.early = nil
	return early
}
