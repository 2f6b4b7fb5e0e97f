package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/callctl/callctl/compliance/audit"
)

// auditCmd is `callctl audit`.
type auditCmd struct {
	Tail       auditTailCmd       `cmd:"" help:"Print the newest entries, and go on with --follow."`
	Checkpoint auditCheckpointCmd `cmd:"" help:"Sign the log as it is now and print the checkpoint."`
	Prove      auditProveCmd      `cmd:"" help:"Prove that an entry is in the log, and check the proof here."`
	Verify     auditVerifyCmd     `cmd:"" help:"Re-read a whole log from its database file; needs no daemon and changes nothing."`
}

type auditTailCmd struct {
	Limit  int    `default:"20" help:"Begin with so many, of that kind when there is one." short:"n"`
	Kind   string `help:"Only this kind, such as permission.granted."`
	Follow bool   `help:"Go on with new entries until interrupted; prints JSON lines unless told otherwise." short:"f"`
}

func entryColumns() []column {
	return []column{{"index", "index"}, {"time", "time"}, {"kind", "kind"}, {"subject", "subject"}, {"of subject", "subjectSeq"}}
}

// Run prints entries, oldest first.
func (c auditTailCmd) Run(ctx context.Context, t *terminal, f *daemonFlags) error {
	api, err := f.client()
	if err != nil {
		return err
	}
	head, err := api.checkpoint(ctx)
	if err != nil {
		return err
	}
	items, after, err := api.newest(ctx, head.Size, max(0, int64(c.Limit)), c.Kind)
	if err != nil {
		return err
	}
	if c.Follow && t.Format == formatJSON {
		t.Format = formatJSONL
	}
	if err := t.list(items, entryColumns()); err != nil || !c.Follow {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
		if items, after, err = api.entries(ctx, after, c.Kind); err != nil {
			return err
		}
		if err := t.more(items, entryColumns()); err != nil {
			return err
		}
	}
}

// newest reads the last entries of a log of that size, of one kind when it is not
// empty; next is the last index seen. It looks further back, 16 times as far each
// time, until it has as many as were asked for: rare kinds lie far apart.
func (c *client) newest(ctx context.Context, size, limit int64, kind string) (items []json.RawMessage, next int64, err error) {
	for window := limit; ; window *= 16 {
		after := max(-1, size-1-window)
		if items, next, err = c.entries(ctx, after, kind); err != nil {
			return nil, 0, err
		}
		if after == -1 || int64(len(items)) >= limit {
			break
		}
	}
	if more := int64(len(items)) - limit; limit > 0 && more > 0 {
		items = items[more:]
	}
	return items, max(next, size-1), nil
}

// entries reads everything after an index; next is the last index seen.
func (c *client) entries(ctx context.Context, after int64, kind string) (items []json.RawMessage, next int64, err error) {
	query := url.Values{"cursor": {strconv.FormatInt(after, 10)}}
	if kind != "" {
		query.Set("kind", kind)
	}
	items, err = c.all(ctx, "/v1/audit/entries", query, 0)
	if err != nil || len(items) == 0 {
		return nil, after, err
	}
	var last struct {
		Index int64 `json:"index"`
	}
	if err := json.Unmarshal(items[len(items)-1], &last); err != nil {
		return nil, after, fmt.Errorf("the answer is no entry: %w", err)
	}
	return items, last.Index, nil
}

// checkpoint is a signed tree head, as the API gives it.
type checkpoint struct {
	Size        int64  `json:"size"`
	Root        string `json:"root"`
	Note        string `json:"note"`
	VerifierKey string `json:"verifierKey"`
}

// checkpoint asks for a checkpoint; the signature is for the caller to check.
func (c *client) checkpoint(ctx context.Context) (checkpoint, error) {
	raw, err := c.call(ctx, http.MethodGet, "/v1/audit/checkpoint", nil, nil)
	if err != nil {
		return checkpoint{}, err
	}
	var head checkpoint
	if err := json.Unmarshal(raw, &head); err != nil {
		return checkpoint{}, fmt.Errorf("the answer is no checkpoint: %w", err)
	}
	return head, nil
}

type auditCheckpointCmd struct {
	Key string `help:"Verifier key to check the signature with, instead of the daemon's own."`
}

// Run prints the signed note itself on a terminal: it is made to be kept.
func (c auditCheckpointCmd) Run(ctx context.Context, t *terminal, f *daemonFlags) error {
	api, err := f.client()
	if err != nil {
		return err
	}
	head, err := api.checkpoint(ctx)
	if err != nil {
		return err
	}
	if _, err := audit.OpenCheckpoint([]byte(head.Note), orElse(c.Key, head.VerifierKey)); err != nil {
		return err
	}
	if t.Format == formatTable {
		return t.write([]byte(head.Note))
	}
	return t.object(head, []column{{"size", "size"}, {"root", "root"}, {"key", "verifierKey"}})
}

type auditProveCmd struct {
	Index int64  `arg:"" help:"Index of the entry."`
	Key   string `help:"Verifier key to check the signature with, instead of the daemon's own."`
}

// proof is an inclusion proof, as the API gives it.
type proof struct {
	Index    int64    `json:"index"`
	TreeSize int64    `json:"treeSize"`
	Leaf     []byte   `json:"leaf"`
	Hashes   [][]byte `json:"hashes"`
}

// proven is what `audit prove` prints: everything needed to check it again.
type proven struct {
	proof

	Root        string `json:"root"`
	Checkpoint  string `json:"checkpoint"`
	VerifierKey string `json:"verifierKey"`
}

var (
	errMoving   = errors.New("the log grew each time between the checkpoint and the proof")
	errHashSize = errors.New("the answer is no proof: a hash has not 32 bytes")
)

// proveRetries is how often a growing log is asked again.
const proveRetries = 5

// Run gets a checkpoint and a proof of the same size and checks both.
func (c auditProveCmd) Run(ctx context.Context, t *terminal, f *daemonFlags) error {
	api, err := f.client()
	if err != nil {
		return err
	}
	for range proveRetries {
		head, err := api.checkpoint(ctx)
		if err != nil {
			return err
		}
		p, err := api.proof(ctx, c.Index)
		if err != nil {
			return err
		}
		if p.TreeSize != head.Size {
			continue
		}
		signed, err := audit.OpenCheckpoint([]byte(head.Note), orElse(c.Key, head.VerifierKey))
		if err != nil {
			return err
		}
		if err := p.check(signed); err != nil {
			return err
		}
		out := proven{
			proof: p, Root: base64.StdEncoding.EncodeToString(signed.Root[:]),
			Checkpoint: head.Note, VerifierKey: orElse(c.Key, head.VerifierKey),
		}
		return t.object(out, []column{{"entry", "index"}, {"is in the log of", "treeSize"}, {"root", "root"}, {"signed by", "verifierKey"}})
	}
	return fmt.Errorf("%w: %w", errTryAgain, errMoving)
}

func (c *client) proof(ctx context.Context, index int64) (proof, error) {
	raw, err := c.call(ctx, http.MethodGet, "/v1/audit/proofs/"+strconv.FormatInt(index, 10), nil, nil)
	if err != nil {
		return proof{}, err
	}
	var p proof
	if err := json.Unmarshal(raw, &p); err != nil {
		return proof{}, fmt.Errorf("the answer is no proof: %w", err)
	}
	return p, nil
}

// check computes the root from the leaf and compares it with the signed one.
func (p proof) check(head audit.Checkpoint) error {
	in := audit.Proof{Index: p.Index, Size: p.TreeSize, Leaf: p.Leaf, Hashes: make([][32]byte, len(p.Hashes))}
	for i, h := range p.Hashes {
		if copy(in.Hashes[i][:], h) != 32 || len(h) != 32 {
			return errHashSize
		}
	}
	return in.Verify(head.Root)
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
