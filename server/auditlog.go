package server

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/callctl/callctl/compliance/audit"
)

// Entry is an entry of the audit log.
type Entry struct {
	Index      int64           `json:"index"`
	Time       time.Time       `json:"time"`
	Kind       string          `json:"kind" example:"permission.granted"`
	Subject    string          `json:"subject,omitempty" doc:"Opaque id of the person concerned"`
	SubjectSeq int64           `json:"subjectSeq,omitempty" doc:"1 for the subject's first entry; a gap shows an omission"`
	LeafHash   string          `json:"leafHash" doc:"RFC 6962 leaf hash, hex"`
	Payload    json.RawMessage `json:"payload,omitempty" doc:"Personal data: only for tokens that hold read or admin; absent once erased"`
}

// Checkpoint is a signed tree head.
type Checkpoint struct {
	Size        int64  `json:"size"`
	Root        string `json:"root" doc:"RFC 6962 root hash, base64"`
	Note        string `json:"note" doc:"The signed note (c2sp.org/tlog-checkpoint)"`
	VerifierKey string `json:"verifierKey"`
}

// Proof is an RFC 6962 inclusion proof.
type Proof struct {
	Index    int64    `json:"index"`
	TreeSize int64    `json:"treeSize"`
	Leaf     string   `json:"leaf" doc:"The leaf's bytes, base64; it holds no personal data"`
	Hashes   []string `json:"hashes" nullable:"false" doc:"From the leaf to the root, base64"`
}

type entriesInput struct {
	Limit   int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
	Cursor  string `query:"cursor" maxLength:"20" doc:"nextCursor of the page before"`
	Subject string `query:"subject" maxLength:"128"`
	Kind    string `query:"kind" maxLength:"64"`
}

type indexInput struct {
	Index int64 `path:"index" minimum:"0"`
}

type (
	checkpointOutput struct{ Body Checkpoint }
	proofOutput      struct{ Body Proof }
)

func (s *Server) auditRoutes() {
	register(s, operation{
		method: http.MethodGet, path: "/v1/audit/entries", id: "listAuditEntries", tag: "Audit", scope: ScopeAudit,
		summary: "The log, oldest first",
	}, s.listEntries)
	register(s, operation{
		method: http.MethodGet, path: "/v1/audit/checkpoint", id: "getCheckpoint", tag: "Audit", scope: ScopeAudit,
		summary: "A signed checkpoint of the log as it is now",
	}, s.checkpoint)
	register(s, operation{
		method: http.MethodGet, path: "/v1/audit/proofs/{index}", id: "getProof", tag: "Audit", scope: ScopeAudit,
		summary: "The inclusion proof of an entry in the log as it is now",
	}, s.proof)
}

func (s *Server) listEntries(ctx context.Context, in *entriesInput) (*listOutput[Entry], error) {
	after := int64(-1)
	if in.Cursor != "" {
		var err error
		if after, err = strconv.ParseInt(in.Cursor, 10, 64); err != nil {
			return nil, badField("query.cursor", "not a cursor of this list")
		}
	}
	entries, err := s.cfg.Log.Entries(ctx, audit.Query{After: after, Limit: in.Limit + 1, Subject: in.Subject, Kind: in.Kind})
	if err != nil {
		return nil, err
	}
	next := ""
	entries, more := cut(entries, in.Limit)
	if more {
		next = strconv.FormatInt(entries[len(entries)-1].Index, 10)
	}
	personal := caller(ctx).holds(ScopeRead)
	return listed(entries, next, func(e audit.Entry) Entry { return showEntry(e, personal) }), nil
}

// showEntry shows an entry, with its payload only to those who may see numbers.
func showEntry(e audit.Entry, personal bool) Entry {
	out := Entry{
		Index: e.Index, Time: utc(e.Time), Kind: e.Kind, Subject: e.Subject, SubjectSeq: e.SubjectSeq,
		LeafHash: hex.EncodeToString(e.LeafHash[:]),
	}
	if personal {
		out.Payload = e.Payload
	}
	return out
}

func (s *Server) checkpoint(ctx context.Context, _ *struct{}) (*checkpointOutput, error) {
	c, err := s.cfg.Log.Checkpoint(ctx)
	if err != nil {
		return nil, err
	}
	return &checkpointOutput{Body: Checkpoint{
		Size: c.Size, Root: base64.StdEncoding.EncodeToString(c.Root[:]), Note: string(c.Note),
		VerifierKey: s.cfg.Log.VerifierKey(),
	}}, nil
}

func (s *Server) proof(ctx context.Context, in *indexInput) (*proofOutput, error) {
	if in.Index >= s.cfg.Log.Size() {
		return nil, noSuch("entry")
	}
	p, err := s.cfg.Log.Prove(ctx, in.Index)
	if err != nil {
		return nil, err
	}
	out := Proof{Index: p.Index, TreeSize: p.Size, Leaf: base64.StdEncoding.EncodeToString(p.Leaf), Hashes: make([]string, 0, len(p.Hashes))}
	for _, h := range p.Hashes {
		out.Hashes = append(out.Hashes, base64.StdEncoding.EncodeToString(h[:]))
	}
	return &proofOutput{Body: out}, nil
}
