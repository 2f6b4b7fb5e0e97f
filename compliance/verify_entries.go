package compliance

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/callctl/callctl/compliance/audit"
)

// checkEntries proves every line: its form, its leaf in the tree, its payload in
// the leaf.
func (v *verification) checkEntries() error {
	content, ok := bytes.CutSuffix(v.file(entriesFile), []byte("\n"))
	lines := bytes.Split(content, []byte("\n"))
	if !ok || len(lines) != len(v.manifest.Entries) {
		return refuse(entriesFile, "it has another number of lines than the manifest")
	}
	v.entries = make([]packEntry, len(lines))
	for i, line := range lines {
		want := v.manifest.Entries[i]
		if hexSHA256(line) != want.SHA256 {
			return refuseEntry(want.Index, "its line is not what the log signed")
		}
		e, err := decodeEntry(line)
		if err != nil {
			return refuseEntry(want.Index, err.Error())
		}
		if e.Index != want.Index {
			return refuseEntry(want.Index, "its line is of another entry")
		}
		if err := e.check(v.cp); err != nil {
			return refuseEntry(want.Index, err.Error())
		}
		v.entries[i] = e
	}
	return nil
}

// decodeEntry reads a line in its one encoding.
func decodeEntry(line []byte) (packEntry, error) {
	var e packEntry
	if err := decodeStrict(line, &e); err != nil {
		return e, errLine
	}
	if e.Salt == nil {
		if string(e.Payload) != "null" {
			return e, errLine
		}
		e.Payload = nil
	}
	if again, err := json.Marshal(e); err != nil || !bytes.Equal(again, line) {
		return e, errLine
	}
	return e, nil
}

// check proves one entry against the tree.
func (e packEntry) check(cp audit.Checkpoint) error {
	leaf, err := audit.ParseLeaf(e.Leaf)
	if err != nil {
		return err
	}
	if leaf.Index != e.Index || !leaf.Time.Equal(e.Time) || leaf.Kind != e.Kind ||
		leaf.Subject != e.Subject || leaf.SubjectSeq != e.SubjectSeq {
		return errLeafDiffers
	}
	p := audit.Proof{Index: e.Index, Size: cp.Size, Leaf: e.Leaf}
	for _, h := range e.Proof {
		if len(h) != 32 {
			return errLine
		}
		p.Hashes = append(p.Hashes, [32]byte(h))
	}
	if err := p.Verify(cp.Root); err != nil {
		return err
	}
	if e.Salt == nil {
		return nil // erased
	}
	return leaf.VerifyPayload(e.Salt, e.Payload)
}

// checkChain demands that the entries are all of one person's, the first to the
// export itself: every leaf says how many came before it and where the last was.
func (v *verification) checkChain() error {
	counts, prev := map[string]int64{}, map[string]int64{}
	for i, e := range v.entries {
		leaf, err := audit.ParseLeaf(e.Leaf)
		if err != nil {
			return refuseEntry(e.Index, err.Error())
		}
		if i > 0 && e.Index <= v.entries[i-1].Index {
			return refuseEntry(e.Index, "it is out of order")
		}
		before, known := prev[e.Subject]
		if !known {
			before = -1
		}
		counts[e.Subject]++
		if e.Subject == "" || e.SubjectSeq != counts[e.Subject] || leaf.Prev != before {
			return refuseEntry(e.Index, fmt.Sprintf("an entry before it is missing: it is number %d of its subject, in the pack number %d",
				e.SubjectSeq, counts[e.Subject]))
		}
		prev[e.Subject] = e.Index
	}
	if err := checkErased(v.entries); err != nil {
		return err
	}
	return v.checkExport(counts)
}

// checkErased demands that an entry after the last one without payload records
// the erasure: otherwise somebody hid it.
func checkErased(entries []packEntry) error {
	hidden := int64(-1)
	for _, e := range entries {
		switch {
		case e.Kind == audit.KindErased:
			hidden = -1
		case e.Payload == nil && hidden < 0:
			hidden = e.Index
		}
	}
	if hidden >= 0 {
		return refuseEntry(hidden, "its payload is missing and no erasure is recorded after it")
	}
	return nil
}

// checkExport holds the export's own entry, which says what the pack is and how
// much belongs in it, against the manifest and the entries.
func (v *verification) checkExport(counts map[string]int64) error {
	last := v.entries[len(v.entries)-1]
	if last.Kind != exportCreatedKind || last.Subject != v.manifest.Subject {
		return refuseEntry(last.Index, "the pack does not end with its own export, so it may not be complete")
	}
	if last.Payload == nil {
		return refuseEntry(last.Index, "its payload is erased, so the pack may not be complete")
	}
	var p exportCreated
	if err := json.Unmarshal(last.Payload, &p); err != nil {
		return refuseEntry(last.Index, "its payload cannot be read")
	}
	if p.Export != v.manifest.Export || p.User != v.manifest.User || p.Actor != v.manifest.Actor ||
		!last.Time.Equal(v.manifest.CreatedAt) {
		return refuse(manifestFile, "it names another export than the entries end with")
	}
	return checkMerged(v.entries, v.manifest.Subject, p.Merged, counts)
}
