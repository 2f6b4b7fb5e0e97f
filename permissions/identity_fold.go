package permissions

import "time"

// together is when two addresses were seen together first and last.
type together struct{ first, last time.Time }

// holders tells from the events that carry both a number and a BSUID who had
// which line, and when. A BSUID belongs to one person; a number is given to
// another one some time after its user gave it up, and the platform tells nobody.
type holders struct {
	ofLine   map[string]map[string]together // line, then holder
	ofHolder map[string]map[string]together // holder, then line
	became   map[string]string              // holder to the one that the platform replaced it by
}

func holdersOf(events []Event) holders {
	var h holders
	for i := range events {
		if e := &events[i]; e.Kind == IDChanged && !e.NewNumber && e.From != "" && e.To != "" {
			if h.became == nil {
				h.became = make(map[string]string)
			}
			h.became[e.From] = e.To
		}
	}
	for i := range events {
		e := &events[i]
		if e.Line == "" || e.Holder == "" || !e.shows() {
			continue
		}
		if h.ofLine == nil {
			h.ofLine, h.ofHolder = make(map[string]map[string]together), make(map[string]map[string]together)
		}
		holder := h.now(e.Holder)
		note(h.ofLine, e.Line, holder, e.At)
		note(h.ofHolder, holder, e.Line, e.At)
	}
	return h
}

// shows is false for the events that stand in the set of other businesses too:
// a user has a BSUID of their own for each portfolio of businesses.
func (e *Event) shows() bool {
	switch e.Kind {
	case OptedOut, OptOutLifted, Located, IDChanged:
		return false
	default:
		return true
	}
}

func note(seen map[string]map[string]together, key, other string, at time.Time) {
	if seen[key] == nil {
		seen[key] = make(map[string]together)
	}
	t, known := seen[key][other]
	if !known || at.Before(t.first) {
		t.first = at
	}
	if !known || at.After(t.last) {
		t.last = at
	}
	seen[key][other] = t
}

// now is the present BSUID of a holder, through all replacements.
func (h *holders) now(holder string) string {
	for range len(h.became) {
		next, ok := h.became[holder]
		if !ok {
			break
		}
		holder = next
	}
	return holder
}

// elseHolds says whether a grant was given by somebody who is not the one that
// the line, or the BSUID, is seen with now. Where that cannot be told, it is so.
func (h *holders) elseHolds(g *Event) bool {
	holder := ""
	if g.Holder != "" {
		holder = h.now(g.Holder)
	}
	if g.Line != "" && passed(h.ofLine[g.Line], holder, g.At) || holder != "" && passed(h.ofHolder[holder], g.Line, g.At) {
		return true
	}
	return moved(h.ofLine[g.Line], h.ofHolder, g.Line) || moved(h.ofHolder[holder], h.ofLine, holder)
}

// passed says whether a grant that was given with one of several, "" when that is
// not known, was given by another than the one seen last.
func passed(seen map[string]together, with string, at time.Time) bool {
	if len(seen) == 0 || len(seen) == 1 && with == "" {
		return false
	}
	current := latestOf(seen)
	if with != "" {
		return with != current
	}
	if current == "" || seen[current].first.After(at) {
		return true
	}
	for other, t := range seen {
		if other != current && !t.last.Before(at) {
			return true
		}
	}
	return false
}

// moved says whether the one seen last with key was seen last with something else.
func moved(seen map[string]together, back map[string]map[string]together, key string) bool {
	if len(seen) == 0 {
		return false
	}
	current := latestOf(seen)
	return current == "" || latestOf(back[current]) != key
}

// latestOf is the one seen last, "" when two were seen last at one time.
func latestOf(seen map[string]together) string {
	current := ""
	var last time.Time
	for other, t := range seen {
		switch {
		case t.last.After(last):
			current, last = other, t.last
		case t.last.Equal(last):
			current = ""
		}
	}
	return current
}

// applyIDChange ends what the user granted before their phone number changed; a
// changed BSUID takes the grants along. The old number is somebody else's.
func (h *history) applyIDChange(e *Event) {
	if !e.NewNumber {
		return
	}
	if h.left == nil {
		h.left = make(map[string]bool)
	}
	if e.From != "" {
		h.left[e.From] = true
	}
	delete(h.left, e.To)
	h.takeAway(e)
}
