package compliance

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/callctl/callctl/compliance/audit"
)

// kindMerged is the entry by which two subjects turned out to be one person: it
// is under the subject that stays and names the one that went.
const kindMerged = "subject.merged"

// mergedSubject is one that went, with its entries when the export was made.
type mergedSubject struct {
	Subject string `json:"subject"`
	Entries int64  `json:"entries"`
}

// mergedFrom is the subject that a merge entry names, "" for any other entry.
func mergedFrom(kind string, payload json.RawMessage) string {
	if kind != kindMerged || payload == nil {
		return ""
	}
	var p struct {
		From string `json:"from"`
	}
	if json.Unmarshal(payload, &p) != nil {
		return ""
	}
	return p.From
}

// mergedInto lists, sorted, the subjects that became this one, directly or not.
func (x *Exporter) mergedInto(ctx context.Context, subject string) ([]mergedSubject, error) {
	var found []mergedSubject
	seen := map[string]bool{subject: true}
	for open := []string{subject}; len(open) > 0; open = open[1:] {
		const most = 10000
		entries, err := x.cfg.Log.Entries(ctx, audit.Query{After: -1, Limit: most, Subject: open[0], Kind: kindMerged})
		if err != nil {
			return nil, fmt.Errorf("look for merged subjects: %w", err)
		}
		for _, e := range entries {
			if from := mergedFrom(e.Kind, e.Payload); from != "" && !seen[from] {
				seen[from] = true
				found = append(found, mergedSubject{Subject: from})
				open = append(open, from)
			}
		}
	}
	slices.SortFunc(found, func(a, b mergedSubject) int { return cmp.Compare(a.Subject, b.Subject) })
	return found, nil
}

// checkMerged demands the whole chain of each subject that became this one: as
// many entries as the export's own entry says, and no subject left out that an
// entry names. counts are the entries in the pack by subject.
func checkMerged(entries []packEntry, subject string, merged []mergedSubject, counts map[string]int64) error {
	last := entries[len(entries)-1].Index
	listed := map[string]bool{subject: true}
	for _, m := range merged {
		if listed[m.Subject] {
			return refuseEntry(last, "it lists a subject twice")
		}
		listed[m.Subject] = true
		if counts[m.Subject] != m.Entries {
			return refuseEntry(last, fmt.Sprintf("a merged subject had %d entries, the pack has %d", m.Entries, counts[m.Subject]))
		}
	}
	for _, e := range entries {
		if !listed[e.Subject] {
			return refuseEntry(e.Index, "it is about somebody else")
		}
		if from := mergedFrom(e.Kind, e.Payload); from != "" && !listed[from] {
			return refuseEntry(e.Index, "the entries of the subject that it merged are missing")
		}
	}
	return nil
}
