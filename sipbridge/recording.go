package sipbridge

import (
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/media"
	"github.com/callctl/callctl/media/record"
)

// recordGrace is how long the record of an ended call waits for its recording.
const recordGrace = 30 * time.Second

// Why a recording failed.
const (
	recordingUnaudited = "audit_failed" // no entry, no recording
	recordingUnwritten = "write_failed"
	recordingOverdue   = "overdue"
)

// Recording is one side of a recorded call.
type Recording struct {
	Leg     string `json:"leg" enum:"user,agent"`
	File    string `json:"file" doc:"Its name in the folder of the recordings"`
	SHA256  string `json:"sha256" doc:"Of the file, hexadecimal"`
	Bytes   int64  `json:"bytes"`
	Dropped uint64 `json:"dropped,omitempty" doc:"Packets that came and are not in it"`
}

// recording is a call's recorder, as the call's loop sees it.
type recording struct {
	ear     ear
	cancel  context.CancelFunc
	running bool
	files   []Recording
	failed  string
}

// ear is the [media.Tap] of a recorded call. It hears nothing before the call is
// bridged.
type ear struct{ recorder atomic.Pointer[tracks] }

type tracks struct {
	*record.Recorder

	user, agent media.Codec
}

// FromWhatsApp implements [media.Tap].
func (e *ear) FromWhatsApp(codec media.Codec, payload []byte, sequence uint16, timestamp uint32) {
	if t := e.recorder.Load(); t != nil {
		t.hear(record.User, codec == t.user, payload, sequence, timestamp)
	}
}

// FromPBX implements [media.Tap].
func (e *ear) FromPBX(codec media.Codec, payload []byte, sequence uint16, timestamp uint32) {
	if t := e.recorder.Load(); t != nil {
		t.hear(record.Agent, codec == t.agent, payload, sequence, timestamp)
	}
}

// hear keeps a track to one codec: after a change, its packets count as dropped.
func (t *tracks) hear(leg record.Leg, same bool, payload []byte, sequence uint16, timestamp uint32) {
	if same {
		t.Tap(leg, payload, sequence, timestamp)
	} else {
		t.Skip(leg)
	}
}

// tap is who hears the call's media; nil when the account does not record.
func (c *call) tap() media.Tap {
	if !c.account.Record {
		return nil
	}
	return &c.recorded.ear
}

// startRecording records from now on, once the audit says so. A call whose
// recording fails goes on.
func (c *call) startRecording() {
	if !c.account.Record {
		return
	}
	ctx, cancel := context.WithCancel(c.ctx)
	c.recorded.cancel, c.recorded.running = cancel, true
	user, agent := c.media.wa.Codec(), c.media.pbx.Codec()
	c.spawn(func() {
		files, failed := c.record(ctx, user, agent)
		c.post(func() { c.onRecorded(files, failed) })
	})
}

// record runs beside the loop until ctx ends.
func (c *call) record(ctx context.Context, user, agent media.Codec) (files []Recording, failed string) {
	fail := func(word string, err error) string {
		c.b.log.Error("recording failed", "call", c.id, "reason", word, "error", err)
		return word
	}
	if err := c.b.auditRecording(context.WithoutCancel(ctx), c.id, c.account.Name, c.user); err != nil {
		return nil, fail(recordingUnaudited, err)
	}
	r, err := record.New(record.Config{
		Dir: c.b.cfg.RecordDir, CallID: c.id, User: record.Codec(user), Agent: record.Codec(agent), Now: c.b.cfg.Now,
	})
	if err != nil {
		return nil, fail(recordingUnwritten, err)
	}
	c.recorded.ear.recorder.Store(&tracks{Recorder: r, user: user, agent: agent})
	defer c.recorded.ear.recorder.Store(nil)
	result, err := r.Run(ctx)
	if err != nil {
		failed = fail(recordingUnwritten, err)
	}
	for _, f := range result.Files {
		files = append(files, Recording{
			Leg: f.Leg.String(), File: filepath.Base(f.Path), SHA256: f.SHA256, Bytes: f.Bytes, Dropped: f.Dropped + f.Late,
		})
	}
	return files, failed
}

func (c *call) onRecorded(files []Recording, failed string) {
	c.stop("recording")
	if c.recorded.running {
		c.recorded.running, c.recorded.files, c.recorded.failed = false, files, failed
	}
}

// stopRecording finishes the files, once no media comes any more.
func (c *call) stopRecording() {
	if c.recorded.cancel == nil {
		return
	}
	c.recorded.cancel()
	c.recorded.cancel = nil
	if c.recorded.running {
		c.after("recording", recordGrace, func() { c.onRecorded(nil, recordingOverdue) })
	}
}

// recordingEntry is what the audit says of a recording.
type recordingEntry struct {
	CallID     string      `json:"callId"`
	Account    string      `json:"account"`
	Recordings []Recording `json:"recordings,omitempty"`
	Reason     string      `json:"reason,omitempty"`
}

// auditRecording says, before anything is heard, that a recording begins.
func (b *Bridge) auditRecording(ctx context.Context, id, account, user string) error {
	err := b.cfg.Log.Update(ctx, func(ctx context.Context, tx *audit.Tx) error {
		subject, err := b.cfg.Ledger.Subject(ctx, tx, user)
		if err != nil {
			return fmt.Errorf("subject of recording: %w", err)
		}
		_, err = tx.Append(ctx, audit.Record{
			Kind: "recording.started", Subject: subject, Payload: recordingEntry{CallID: id, Account: account},
		})
		return err
	})
	if err != nil {
		return fmt.Errorf("sipbridge: audit recording: %w", err)
	}
	return nil
}

// auditRecordings says, with the call's record, what its recording came to.
func auditRecordings(ctx context.Context, tx *audit.Tx, subject string, cdr CDR) error {
	var records []audit.Record
	if len(cdr.Recordings) > 0 {
		records = append(records, audit.Record{Kind: "recording.finished", Subject: subject, Payload: recordingEntry{
			CallID: cdr.ID, Account: cdr.Account, Recordings: cdr.Recordings,
		}})
	}
	if cdr.RecordingFailed != "" {
		records = append(records, audit.Record{Kind: "recording.failed", Subject: subject, Payload: recordingEntry{
			CallID: cdr.ID, Account: cdr.Account, Reason: cdr.RecordingFailed,
		}})
	}
	for _, r := range records {
		if _, err := tx.Append(ctx, r); err != nil {
			return fmt.Errorf("audit recording: %w", err)
		}
	}
	return nil
}
