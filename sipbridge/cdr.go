package sipbridge

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/geo"
	"github.com/callctl/callctl/media"
)

// CDR is the record of an ended call. Times are UTC, zero when it never came to
// that.
type CDR struct {
	ID            string            `json:"id"`
	Account       string            `json:"account"`
	Direction     Direction         `json:"direction"`
	Business      geo.E164          `json:"business"`
	User          string            `json:"user"`
	Agent         string            `json:"agent"`
	CallbackID    string            `json:"callbackId,omitempty"`
	Purpose       string            `json:"purpose,omitempty"`
	Wacid         string            `json:"wacid,omitempty"`
	SIPCallID     string            `json:"sipCallId,omitempty"`
	StartedAt     time.Time         `json:"startedAt"`
	UserRingingAt time.Time         `json:"userRingingAt,omitzero"`
	UserAnswered  time.Time         `json:"userAnsweredAt,omitzero"`
	AgentAnswered time.Time         `json:"agentAnsweredAt,omitzero"`
	MediaUpAt     time.Time         `json:"mediaUpAt,omitzero"`
	BridgedAt     time.Time         `json:"bridgedAt,omitzero"`
	EndedAt       time.Time         `json:"endedAt"`
	Disposition   string            `json:"disposition"` // ANSWERED, NO ANSWER, BUSY, FAILED
	Outcome       string            `json:"outcome"`
	EndedBy       string            `json:"endedBy"` // user, agent, callctl, provider
	Cause         string            `json:"cause"`   // machine word
	SIPStatus     int               `json:"sipStatus,omitempty"`
	ProviderCodes []int             `json:"providerCodes,omitempty"`
	MetaDuration  float64           `json:"providerDuration,omitempty"` // seconds, by the provider
	WhatsApp      media.StreamStats `json:"whatsapp"`
	PBX           media.StreamStats `json:"pbx"`
	DecisionIndex int64             `json:"decisionIndex"` // -1 for a user's call
	AuditIndex    int64             `json:"auditIndex"`    // of the call.ended entry

	Recordings []Recording `json:"recordings,omitempty"`
	// RecordingFailed is why something that should have been recorded was not, empty
	// when all went well: audit_failed, write_failed or overdue.
	RecordingFailed string `json:"recordingFailed,omitempty"`
}

// endedPayload is the CDR as the audit holds it: an entry cannot name its own
// index.
type endedPayload struct {
	CDR

	AuditIndex *int64 `json:"auditIndex,omitempty"`
}

const maxPage = 1000

// write stores a CDR, its audit entry and what the ledger must know, in one
// transaction.
func (b *Bridge) write(ctx context.Context, cdr CDR, t Ticket, called *UserCall) error {
	err := b.cfg.Log.Update(ctx, func(ctx context.Context, tx *audit.Tx) error {
		if t != nil {
			if err := t.Settle(ctx, tx, cdr.Outcome); err != nil {
				return fmt.Errorf("settle attempt: %w", err)
			}
		}
		if called != nil {
			if err := b.cfg.Ledger.Called(ctx, tx, *called); err != nil {
				return fmt.Errorf("record user's call: %w", err)
			}
		}
		return b.writeRow(ctx, tx, cdr)
	})
	if err != nil {
		return fmt.Errorf("sipbridge: write call record: %w", err)
	}
	return nil
}

func (b *Bridge) writeRow(ctx context.Context, tx *audit.Tx, cdr CDR) error {
	subject, err := b.cfg.Ledger.Subject(ctx, tx, cdr.User)
	if err != nil {
		return fmt.Errorf("subject of call: %w", err)
	}
	if err := auditRecordings(ctx, tx, subject, cdr); err != nil {
		return err
	}
	index, err := tx.Append(ctx, audit.Record{Kind: "call.ended", Subject: subject, Payload: endedPayload{CDR: cdr}})
	if err != nil {
		return fmt.Errorf("audit call: %w", err)
	}
	cdr.AuditIndex = index
	record, err := json.Marshal(cdr)
	if err != nil {
		return fmt.Errorf("encode call: %w", err)
	}
	_, err = tx.ExecContext(ctx, sqlInsertCall, index, cdr.ID, cdr.Account, string(cdr.Direction), subject, cdr.Wacid,
		cdr.StartedAt.UnixMilli(), cdr.EndedAt.UnixMilli(), cdr.Disposition, cdr.Outcome, cdr.Cause, string(record))
	if err != nil {
		return fmt.Errorf("insert call: %w", err)
	}
	return nil
}

// CDRs lists ended calls, newest first, by cursor; next is empty on the last
// page. A limit of 0 means 100, the most is 1,000.
func (b *Bridge) CDRs(ctx context.Context, limit int, cursor string) (list []CDR, next string, err error) {
	if limit <= 0 {
		limit = 100
	}
	limit = min(limit, maxPage)
	before := int64(math.MaxInt64)
	if cursor != "" {
		if before, err = strconv.ParseInt(cursor, 10, 64); err != nil || before < 0 {
			return nil, "", ErrCursor
		}
	}
	rows, err := b.cfg.Read.QueryContext(ctx, sqlCalls, before, limit+1)
	if err != nil {
		return nil, "", fmt.Errorf("sipbridge: list calls: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		cdr, err := scanCDR(rows)
		if err != nil {
			return nil, "", err
		}
		list = append(list, cdr)
	}
	if err := rows.Err(); err != nil {
		return nil, "", fmt.Errorf("sipbridge: list calls: %w", err)
	}
	if len(list) > limit {
		list = list[:limit]
		next = strconv.FormatInt(list[limit-1].AuditIndex, 10)
	}
	return list, next, nil
}

// CDR returns the record of one ended call; ok is false when there is none.
func (b *Bridge) CDR(ctx context.Context, id string) (CDR, bool, error) {
	cdr, err := scanCDR(b.cfg.Read.QueryRowContext(ctx, sqlCall, id))
	if errors.Is(err, sql.ErrNoRows) {
		return CDR{}, false, nil
	}
	if err != nil {
		return CDR{}, false, err
	}
	return cdr, true, nil
}

func scanCDR(row interface{ Scan(dest ...any) error }) (CDR, error) {
	var (
		index  int64
		record string
		cdr    CDR
	)
	if err := row.Scan(&index, &record); err != nil {
		return CDR{}, fmt.Errorf("sipbridge: read call: %w", err)
	}
	if err := json.Unmarshal([]byte(record), &cdr); err != nil {
		return CDR{}, fmt.Errorf("sipbridge: decode call: %w", err)
	}
	cdr.AuditIndex = index
	return cdr, nil
}
