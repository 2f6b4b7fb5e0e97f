// Package compliance is what compliance officers hold in their hands: evidence
// packs, exports, and the confirmation of an opt-out.
package compliance

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/permissions"
)

// packFormat names the form of a pack: its files, their encodings and the words
// of the summary. A change of any of them is another format.
const packFormat = "callctl-evidence-pack/1"

// The files of a pack, in the order of packNames.
const (
	readmeFile     = "README.txt"
	summaryFile    = "summary.txt"
	entriesFile    = "entries.jsonl"
	checkpointFile = "checkpoint"
	keyFile        = "key.pub"
	manifestFile   = "manifest.json"
	signatureFile  = "manifest.sig"
)

func packNames() []string {
	return []string{readmeFile, summaryFile, entriesFile, checkpointFile, keyFile, manifestFile, signatureFile}
}

// packEntry is a line of entries.jsonl. Leaf is what the tree hashes; the fields
// before it repeat what it says, for readers without a parser. Salt and Payload
// are null once erased.
type packEntry struct {
	Index      int64           `json:"index"`
	Time       time.Time       `json:"time"`
	Kind       string          `json:"kind"`
	Subject    string          `json:"subject"`
	SubjectSeq int64           `json:"subjectSeq"`
	Leaf       []byte          `json:"leaf"`
	Salt       []byte          `json:"salt"`
	Payload    json.RawMessage `json:"payload"`
	Proof      [][]byte        `json:"proof"` // RFC 6962 section 2.1.1, leaf to root
}

// manifest lists everything else in the pack.
type manifest struct {
	Format    string           `json:"format"`
	Export    string           `json:"export"`
	User      permissions.User `json:"user"`
	Subject   string           `json:"subject"`
	Actor     string           `json:"actor"`
	CreatedAt time.Time        `json:"createdAt"`
	TreeSize  int64            `json:"treeSize"`
	Files     []manifestFileOf `json:"files"`
	Entries   []manifestEntry  `json:"entries"`
}

type manifestFileOf struct {
	Name   string `json:"name"`
	Size   int    `json:"size"`
	SHA256 string `json:"sha256"`
}

// manifestEntry is the hash of one line of entries.jsonl, so that an altered byte
// can be laid to its entry even when the line no longer parses.
type manifestEntry struct {
	Index  int64  `json:"index"`
	SHA256 string `json:"sha256"`
}

// exportCreated is the payload of the export's own entry, the last one in the pack.
type exportCreated struct {
	Export string           `json:"export"`
	User   permissions.User `json:"user"`
	Actor  string           `json:"actor"`
	// Merged are the other subjects that this person's entries are under.
	Merged []mergedSubject `json:"merged,omitempty"`
}

const exportCreatedKind = "export.created"

// buildPack encodes a pack. entries are all of the subject's, in order, the last
// being the export's own.
func buildPack(m manifest, cp audit.Checkpoint, key string, entries []packEntry, sign func(string) ([]byte, error)) ([]byte, error) {
	lines, hashes, err := encodeEntries(entries)
	if err != nil {
		return nil, err
	}
	m.Format, m.TreeSize, m.Entries = packFormat, cp.Size, hashes
	files := []packFile{
		{readmeFile, []byte(readme)},
		{summaryFile, []byte(summaryText(m, cp, entries))},
		{entriesFile, lines},
		{checkpointFile, cp.Note},
		{keyFile, []byte(key + "\n")},
	}
	for _, f := range files {
		m.Files = append(m.Files, manifestFileOf{f.name, len(f.content), hexSHA256(f.content)})
	}
	encoded, err := encodeManifest(m)
	if err != nil {
		return nil, err
	}
	signed, err := sign(signedText(encoded))
	if err != nil {
		return nil, fmt.Errorf("sign manifest: %w", err)
	}
	files = append(files, packFile{manifestFile, encoded}, packFile{signatureFile, signed})
	total := 0
	for _, f := range files {
		total += len(f.content)
	}
	if total > maxPack-(64<<10) {
		return nil, ErrTooLarge
	}
	return writeZip(files), nil
}

func encodeEntries(entries []packEntry) (lines []byte, hashes []manifestEntry, err error) {
	for _, e := range entries {
		line, err := json.Marshal(e)
		if err != nil {
			return nil, nil, fmt.Errorf("encode entry %d: %w", e.Index, err)
		}
		hashes = append(hashes, manifestEntry{e.Index, hexSHA256(line)})
		lines = append(append(lines, line...), '\n')
	}
	return lines, hashes, nil
}

func encodeManifest(m manifest) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	if err := enc.Encode(m); err != nil {
		return nil, fmt.Errorf("encode manifest: %w", err)
	}
	return b.Bytes(), nil
}

// signedText is what the log's key signs about a manifest.
func signedText(manifest []byte) string {
	return packFormat + "\nsha256 " + hexSHA256(manifest) + "\n"
}

func hexSHA256(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

const readme = `Evidence pack of callctl

What this is
  Everything that the audit log of this installation recorded about one person:
  what they permitted and withdrew, every decision to call or not to call, every
  call. It is complete up to the export itself: each record carries the number of
  the person's records so far and the place of the one before, so a record that
  was left out leaves a gap. When two addresses turned out to be one person, the
  records under both are here, each with its own numbers.

How to verify it
  callctl verify PACK [--key KEY]
  needs no network and no database. KEY is the log's verifier key, got from
  somewhere else than this pack (the line in log.pub, printed by "callctl audit
  checkpoint"). Without it the pack is only shown to agree with itself.

What is in it
  summary.txt    the story, in words; derived from entries.jsonl
  entries.jsonl  one record a line: leaf, salt, payload and inclusion proof
  checkpoint     the signed state of the whole log (c2sp.org/tlog-checkpoint)
  key.pub        the verifier key that checkpoint and manifest.sig are signed by
  manifest.json  the SHA-256 of every file and of every line of entries.jsonl
  manifest.sig   the log's signature of manifest.json (a signed note)

How it holds together
  leaf hash      SHA-256(0x00 || leaf), RFC 6962 section 2.1
  tree           RFC 6962; the proof leads from the leaf hash to the root hash in
                 checkpoint
  commitment     the leaf's last line, SHA-256(salt || index as 8 bytes big-endian
                 || payload || 0x80 || zeros up to a multiple of 256 bytes)
  An entry whose salt and payload are null was erased, which a later entry
  (subject.erased) records; its leaf and proof still hold.

This pack holds personal data of the person it is about. Keep it accordingly.
`
