package compliance

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"

	"github.com/callctl/callctl/compliance/audit"
)

// VerifyResult is what verification found.
type VerifyResult struct {
	Entries   int       `json:"entries"`
	TreeSize  int64     `json:"treeSize"`
	Origin    string    `json:"origin"`
	KeyHash   string    `json:"keyHash"`
	SignedAt  time.Time `json:"signedAt,omitzero"`
	FirstTime time.Time `json:"firstTime"`
	LastTime  time.Time `json:"lastTime"`
	Summary   []string  `json:"summary"` // lines for a person
}

// verification is one reading of a pack; its steps run in order, each relying
// on what the ones before it have proved.
type verification struct {
	pack     []byte
	files    []packFile
	key      string
	verifier note.Verifier
	manifest manifest
	cp       audit.Checkpoint
	entries  []packEntry
}

// Verify checks a pack without network or database. trustedKey, when not empty,
// is the verifier key that the reader got elsewhere; the pack's own is used
// otherwise, and Summary says so. Any altered byte is a *VerifyError.
func Verify(pack io.ReaderAt, size int64, trustedKey string) (VerifyResult, error) {
	b, err := readPack(pack, size)
	if err != nil {
		return VerifyResult{}, err
	}
	v := &verification{pack: b}
	if v.files, err = readZip(b, packNames()); err != nil {
		return VerifyResult{}, err
	}
	for _, step := range []func() error{
		func() error { return v.readKey(strings.TrimSpace(trustedKey)) },
		v.checkManifest,
		v.checkHashes,
		v.checkCheckpoint,
		v.checkEntries,
		v.checkChain,
		v.checkSummary,
		func() error { return compareZip(v.pack, v.files) },
	} {
		if err := step(); err != nil {
			return VerifyResult{}, err
		}
	}
	return v.result(trustedKey != ""), nil
}

func (v *verification) file(name string) []byte {
	for _, f := range v.files {
		if f.name == name {
			return f.content
		}
	}
	return nil
}

// readKey takes the pack's key and holds it against the trusted one.
func (v *verification) readKey(trusted string) error {
	key, ok := strings.CutSuffix(string(v.file(keyFile)), "\n")
	verifier, err := note.NewVerifier(key)
	if !ok || err != nil || !printable(key) {
		return refuse(keyFile, "it is no verifier key")
	}
	if trusted != "" && trusted != key {
		return refuse(keyFile, "it is not the key that you trust")
	}
	v.key, v.verifier = key, verifier
	return nil
}

// checkManifest demands the log's signature of manifest.json, in its one encoding.
func (v *verification) checkManifest() error {
	signed := v.file(signatureFile)
	n, err := note.Open(signed, note.VerifierList(v.verifier))
	if err != nil || !isCanonicalNote(signed, n) {
		return refuse(signatureFile, "it is no signature by the log's key")
	}
	raw := v.file(manifestFile)
	if n.Text != signedText(raw) {
		return refuse(manifestFile, "it is not what the log signed")
	}
	if err := decodeStrict(raw, &v.manifest); err != nil {
		return refuse(manifestFile, "it cannot be read")
	}
	if again, err := encodeManifest(v.manifest); err != nil || !bytes.Equal(again, raw) {
		return refuse(manifestFile, "it is not in its one encoding")
	}
	if v.manifest.Format != packFormat {
		return refuse(manifestFile, fmt.Sprintf("its format is %q; this callctl reads %q", v.manifest.Format, packFormat))
	}
	if !printable(string(v.manifest.User)) || !printable(v.manifest.Export) || !printable(v.manifest.Actor) {
		return refuse(manifestFile, "its names cannot be printed")
	}
	return nil
}

// printable refuses what could end a line or steer a terminal: names of a pack
// are printed beside the verdict on it.
func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// checkHashes holds every file against the signed manifest.
func (v *verification) checkHashes() error {
	listed := v.files[:len(v.files)-2] // all but the manifest and its signature
	if len(v.manifest.Files) != len(listed) {
		return refuse(manifestFile, "it lists other files than the pack has")
	}
	for i, f := range listed {
		want := v.manifest.Files[i]
		if want.Name != f.name {
			return refuse(manifestFile, "it lists other files than the pack has")
		}
		if len(f.content) == want.Size && hexSHA256(f.content) == want.SHA256 {
			continue
		}
		if f.name == entriesFile {
			if err := v.findAlteredEntry(f.content); err != nil {
				return err
			}
		}
		return refuse(f.name, "it is not what the log signed")
	}
	return nil
}

// findAlteredEntry names the first entry whose line is not the signed one.
func (v *verification) findAlteredEntry(content []byte) error {
	lines := bytes.SplitAfter(content, []byte("\n"))
	for i, want := range v.manifest.Entries {
		var line []byte
		if i < len(lines) {
			line = lines[i]
		}
		text, ended := bytes.CutSuffix(line, []byte("\n"))
		if !ended || hexSHA256(text) != want.SHA256 {
			return refuseEntry(want.Index, "its line is not what the log signed")
		}
	}
	return nil
}

func (v *verification) checkCheckpoint() error {
	signed := v.file(checkpointFile)
	cp, err := audit.OpenCheckpoint(signed, v.key)
	if err != nil {
		return refuse(checkpointFile, err.Error())
	}
	if cp.Size != v.manifest.TreeSize {
		return refuse(checkpointFile, "it is of another tree than the manifest says")
	}
	v.cp = cp
	return nil
}

func (v *verification) checkSummary() error {
	if string(v.file(summaryFile)) != summaryText(v.manifest, v.cp, v.entries) {
		return refuse(summaryFile, "it does not say what the entries say")
	}
	return nil
}

func (v *verification) result(trusted bool) VerifyResult {
	r := VerifyResult{
		Entries: len(v.entries), TreeSize: v.cp.Size, Origin: v.cp.Origin,
		KeyHash: fmt.Sprintf("%08x", v.verifier.KeyHash()), SignedAt: v.cp.Time,
		FirstTime: v.entries[0].Time, LastTime: v.entries[len(v.entries)-1].Time,
	}
	r.Summary = append(r.Summary, fmt.Sprintf("%d entries about %s, complete up to export %s.",
		r.Entries, v.manifest.User, v.manifest.Export))
	r.Summary = append(r.Summary, statements(v.entries)...)
	if trusted {
		r.Summary = append(r.Summary, "Signed by the key that you trust, "+v.key+".")
	} else {
		r.Summary = append(r.Summary, "Signed by the pack's own key, "+v.key+
			": compare it with one that you got elsewhere, or give that with --key.")
	}
	return r
}

// isCanonicalNote demands exactly one signature and no other bytes: base64 with
// stray bits in its last digit decodes to the same signature.
func isCanonicalNote(signed []byte, n *note.Note) bool {
	if len(n.Sigs) != 1 || len(n.UnverifiedSigs) != 0 {
		return false
	}
	sig, err := base64.StdEncoding.DecodeString(n.Sigs[0].Base64)
	if err != nil {
		return false
	}
	want := n.Text + "\n\u2014 " + n.Sigs[0].Name + " " + base64.StdEncoding.EncodeToString(sig) + "\n"
	return string(signed) == want
}

// decodeStrict decodes exactly one JSON value without unknown members.
func decodeStrict(b []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errTrailing
	}
	return nil
}
