package audit

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// leafVersion is the first line of every leaf; a change of the encoding changes it.
const leafVersion = "callctl-leaf/1"

// noSubject stands for the absent subject in a leaf.
const noSubject = "-"

const (
	maxKind    = 64
	maxSubject = 128
)

// Leaf is what the tree hashes about one entry. It holds nothing personal:
// Subject is opaque and Commitment hides the payload.
//
// Its bytes are eight lines of ASCII, each ending in a newline, in this order
// and in no other form:
//
//	callctl-leaf/1
//	index 7                      position in the tree
//	time 1795372800123           Unix milliseconds
//	kind permission.granted
//	subject 0198c0de-…           "-" when there is none
//	seq 3                        the subject's entries so far, this one included; 0 without subject
//	prev 5                       index of the subject's previous entry; -1 when there is none
//	commitment <base64>          see [Commit]
type Leaf struct {
	Index      int64
	Time       time.Time
	Kind       string
	Subject    string
	SubjectSeq int64
	Prev       int64
	Commitment [32]byte
}

// Bytes is the canonical encoding.
func (l Leaf) Bytes() []byte {
	subject := l.Subject
	if subject == "" {
		subject = noSubject
	}
	b := make([]byte, 0, 256)
	b = append(b, leafVersion+"\nindex "...)
	b = strconv.AppendInt(b, l.Index, 10)
	b = append(b, "\ntime "...)
	b = strconv.AppendInt(b, l.Time.UnixMilli(), 10)
	b = append(b, "\nkind "...)
	b = append(b, l.Kind...)
	b = append(b, "\nsubject "...)
	b = append(b, subject...)
	b = append(b, "\nseq "...)
	b = strconv.AppendInt(b, l.SubjectSeq, 10)
	b = append(b, "\nprev "...)
	b = strconv.AppendInt(b, l.Prev, 10)
	b = append(b, "\ncommitment "...)
	b = base64.StdEncoding.AppendEncode(b, l.Commitment[:])
	return append(b, '\n')
}

// Hash is the RFC 6962 section 2.1 leaf hash of the leaf's bytes.
func (l Leaf) Hash() [32]byte { return tlog.RecordHash(l.Bytes()) }

// ParseLeaf reads the canonical encoding and nothing else: any bytes that
// [Leaf.Bytes] would not write are [ErrLeaf].
func ParseLeaf(b []byte) (Leaf, error) {
	lines := strings.Split(string(b), "\n")
	if len(lines) != 9 || lines[0] != leafVersion || lines[8] != "" {
		return Leaf{}, fmt.Errorf("%w: not a %s", ErrLeaf, leafVersion)
	}
	var l Leaf
	var ms int64
	var commitment, subject string
	fields := []struct {
		name string
		num  *int64
		text *string
	}{
		{"index", &l.Index, nil},
		{"time", &ms, nil},
		{"kind", nil, &l.Kind},
		{"subject", nil, &subject},
		{"seq", &l.SubjectSeq, nil},
		{"prev", &l.Prev, nil},
		{"commitment", nil, &commitment},
	}
	for i, f := range fields {
		v, ok := strings.CutPrefix(lines[i+1], f.name+" ")
		if !ok {
			return Leaf{}, fmt.Errorf("%w: line %d is not %q", ErrLeaf, i+2, f.name)
		}
		if f.text != nil {
			*f.text = v
			continue
		}
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return Leaf{}, fmt.Errorf("%w: %s is not a number", ErrLeaf, f.name)
		}
		*f.num = n
	}
	l.Time = time.UnixMilli(ms).UTC()
	if subject != noSubject {
		l.Subject = subject
	}
	c, err := base64.StdEncoding.DecodeString(commitment)
	if err != nil || len(c) != len(l.Commitment) {
		return Leaf{}, fmt.Errorf("%w: commitment is not 32 bytes of base64", ErrLeaf)
	}
	copy(l.Commitment[:], c)
	if err := l.check(); err != nil {
		return Leaf{}, err
	}
	if !bytes.Equal(l.Bytes(), b) {
		return Leaf{}, fmt.Errorf("%w: not in canonical form", ErrLeaf)
	}
	return l, nil
}

// check holds the rules that every leaf obeys, whoever wrote it.
func (l Leaf) check() error {
	switch {
	case l.Index < 0:
		return fmt.Errorf("%w: negative index", ErrLeaf)
	case !validKind(l.Kind):
		return fmt.Errorf("%w: kind is not noun.verb", ErrLeaf)
	case !validSubject(l.Subject):
		return fmt.Errorf("%w: subject is not an opaque id", ErrLeaf)
	case l.Subject == "" && (l.SubjectSeq != 0 || l.Prev != -1):
		return fmt.Errorf("%w: a sequence without subject", ErrLeaf)
	case l.Subject != "" && l.SubjectSeq < 1:
		return fmt.Errorf("%w: subject sequence starts at 1", ErrLeaf)
	case l.Prev < -1 || l.Prev >= l.Index:
		return fmt.Errorf("%w: previous entry is not before this one", ErrLeaf)
	case l.Subject != "" && (l.SubjectSeq == 1) != (l.Prev == -1):
		return fmt.Errorf("%w: previous entry and sequence disagree", ErrLeaf)
	}
	return nil
}

func validKind(s string) bool {
	if s == "" || len(s) > maxKind {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '_' {
			return false
		}
	}
	return true
}

// validSubject allows the empty subject. A plus is refused because only phone
// numbers have one, and a number is no opaque id.
func validSubject(s string) bool {
	if len(s) > maxSubject || s == noSubject {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '+' {
			return false
		}
	}
	return true
}
