package compliance

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// maxListed is how many dials one statement names; the others are counted.
const maxListed = 20

// everyBusiness is the key of what concerns all of the house's numbers.
const everyBusiness = "*"

// statements say, for each time that the person withdrew, whether they were
// dialled after it. "After" is the position in the log, not a clock. A withdrawn
// permission is one business number's: only a grant to the same number ends it,
// and only that number's dials count, with those whose number was erased. The
// time taken and the text grow linearly with the entries, because a pack may
// come from anybody.
func statements(entries []packEntry) []string {
	t := newTimeline(entries)
	var lines []string
	for i, e := range entries {
		switch e.Kind {
		case kindDNCAdded:
			lines = append(lines, t.statement(i, "On the do-not-call list"+reach(e)+" since", everyBusiness, kindDNCLifted))
		case kindStopped:
			lines = append(lines, t.stopStatement(i))
		case kindRevoked, kindDeclined:
			lines = append(lines, t.statement(i, "Permission withdrawn or refused at", t.business[i], kindGranted))
		}
	}
	if len(lines) == 0 {
		lines = append(lines, "No opt-out, revocation or refusal is recorded.")
	}
	return lines
}

// timeline finds entries by kind, business number and position.
type timeline struct {
	entries  []packEntry
	business []string                    // of each entry, "" when it names none
	at       map[string]map[string][]int // positions by kind and number, and by kind and everyBusiness
}

func newTimeline(entries []packEntry) *timeline {
	t := &timeline{entries: entries, business: make([]string, len(entries)), at: map[string]map[string][]int{}}
	for i, e := range entries {
		t.business[i] = businessOf(e)
		kind := e.Kind
		if kind == kindResumed {
			kind = resumedKey(category(e))
		}
		of := t.at[kind]
		if of == nil {
			of = map[string][]int{}
			t.at[kind] = of
		}
		of[t.business[i]] = append(of[t.business[i]], i)
		of[everyBusiness] = append(of[everyBusiness], i)
	}
	return t
}

// businessOf is the number that an entry's payload names, "" for none: what is no
// number could steer the terminal that a statement is printed on.
func businessOf(e packEntry) string {
	var p struct {
		Business string `json:"business"`
	}
	if e.Payload == nil || json.Unmarshal(e.Payload, &p) != nil {
		return ""
	}
	digits, ok := strings.CutPrefix(p.Business, "+")
	if !ok || len(digits) > 15 || strings.Trim(digits, "0123456789") != "" {
		return ""
	}
	return p.Business
}

// statement is about the withdrawal at position i, which lasts until an entry of
// kind until for the same business.
func (t *timeline) statement(i int, words, business, until string) string {
	end, to := "the export", len(t.entries)
	if next := after(t.at[until][business], i, to); len(next) > 0 {
		to = next[0]
		end = fmt.Sprintf("entry %d (%s)", t.entries[to].Index, until)
	}
	scope := ""
	if business != everyBusiness && business != "" {
		scope = ", for calls from " + business
	}
	e := t.entries[i]
	_, refused := t.between(kindRefused, business, i, to)
	return fmt.Sprintf("%s entry %d, %s%s. Dials after it, up to %s: %s. Refused by the gate in that time: %d.",
		words, e.Index, e.Time.UTC().Format(summaryTime), scope, end, t.dials(business, i, to), refused)
}

// reach says how far a do-not-call entry reaches, "" for everything. The dials
// that its statement names are all the same those of every number and purpose: a
// pack does not know which number is of which brand.
func reach(e packEntry) string {
	var p struct {
		Scope   string `json:"scope"`
		Brand   string `json:"brand"`
		Purpose string `json:"purpose"`
	}
	if e.Payload == nil || json.Unmarshal(e.Payload, &p) != nil {
		return ""
	}
	switch p.Scope {
	case "brand":
		return fmt.Sprintf(" of the brand %q", oneLine(p.Brand))
	case "purpose":
		return fmt.Sprintf(" of the brand %q for calls of the purpose %q", oneLine(p.Brand), oneLine(p.Purpose))
	}
	return ""
}

// category is which messages a stop or its end is about, "" for all.
func category(e packEntry) string {
	var p struct {
		Category string `json:"category"`
	}
	if e.Payload == nil || json.Unmarshal(e.Payload, &p) != nil {
		return ""
	}
	return p.Category
}

// resumedKey is where a timeline has the ends of stops of a category.
func resumedKey(category string) string { return kindResumed + "/" + category }

// stopStatement is about the stop of messages at position i: it says whether the
// person was asked for permission after it, which takes a message. Messages of its
// category or of all that are wanted again end it.
func (t *timeline) stopStatement(i int) string {
	e, business, about := t.entries[i], t.business[i], category(t.entries[i])
	what, from := "Messages", ""
	if about != "" {
		what = "Messages of the category " + strconv.Quote(oneLine(about))
	}
	if business != "" {
		from = " from " + business
	}
	end, to := "the export", len(t.entries)
	for _, key := range []string{resumedKey(""), resumedKey(about)} {
		if next := after(t.at[key][business], i, to); len(next) > 0 {
			to = next[0]
			end = fmt.Sprintf("entry %d (%s)", t.entries[to].Index, kindResumed)
		}
	}
	_, asked := t.between(kindRequested, business, i, to)
	return fmt.Sprintf("%s%s stopped since entry %d, %s. Requests for permission after it, up to %s: %d.",
		what, from, e.Index, e.Time.UTC().Format(summaryTime), end, asked)
}

// dials names the dials between two positions.
func (t *timeline) dials(business string, from, to int) string {
	found, n := t.between(kindAttempted, business, from, to)
	if n == 0 {
		return "none"
	}
	words := make([]string, 0, len(found))
	for _, i := range found {
		words = append(words, fmt.Sprintf("entry %d at %s", t.entries[i].Index, t.entries[i].Time.UTC().Format(summaryTime)))
	}
	list := strings.Join(words, ", ")
	if n > len(found) {
		list += fmt.Sprintf(" and %d more", n-len(found))
	}
	return list
}

// between returns the first maxListed positions of a kind between two others,
// and how many there are: those of the business and those that name none, or all
// when the business is not known.
func (t *timeline) between(kind, business string, from, to int) (first []int, n int) {
	keys := []string{business, ""}
	if business == "" || business == everyBusiness {
		keys = []string{everyBusiness}
	}
	for _, key := range keys {
		found := after(t.at[kind][key], from, to)
		n += len(found)
		first = append(first, found[:min(len(found), maxListed)]...)
	}
	slices.Sort(first)
	return first[:min(len(first), maxListed)], n
}

// after is the part of a sorted list that lies between two positions.
func after(list []int, from, to int) []int {
	start, _ := slices.BinarySearch(list, from+1)
	end, _ := slices.BinarySearch(list, to)
	return list[start:end]
}
