package server

import "strings"

// malformedPart begins the name of a part of a delivery that is of a known kind
// and could not be read (provider.MalformedError).
const malformedPart = "malformed:"

// judge gives a delivery its state by the parts that the provider's decoder did
// not turn into facts: what is of a known kind and could not be read is
// quarantined, what nobody understands yet is unknown. Its good facts count
// either way, and its body is kept.
func (d *delivery) judge(unknown []string) {
	d.state, d.problem, d.unknown = stateStored, "", bounded(unknown)
	var unread []string
	for _, part := range d.unknown {
		if name, ok := strings.CutPrefix(part, malformedPart); ok {
			unread = append(unread, name)
		}
	}
	switch {
	case len(unread) > 0:
		d.state, d.problem = stateQuarantined, "could not be read: "+strings.Join(unread, ", ")
	case len(d.unknown) > 0:
		d.state = stateUnknown
	}
}
