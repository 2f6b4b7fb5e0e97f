package server

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/permissions"
)

// deliveryState says what became of a delivery.
type deliveryState string

const (
	stateStored      deliveryState = "stored"      // taken in whole
	stateUnknown     deliveryState = "unknown"     // taken in, with parts that nobody understands yet
	stateMalformed   deliveryState = "malformed"   // no JSON that can be read
	stateQuarantined deliveryState = "quarantined" // the ledger refused some of its facts
)

// How many deliveries of a state that keeps its bodies are kept, for each account,
// within the 30 days of every body. What could not be applied is kept in such
// numbers that only a provider gone wild comes near: it waits for a person.
const (
	maxKept        = 1_000
	maxQuarantined = 10_000
)

// delivery is one row of webhook_deliveries. The body itself is kept only where
// a person has to look at it, because it is personal data.
type delivery struct {
	account string
	hash    string // hex SHA-256 of the body
	auth    permissions.Auth
	state   deliveryState
	size    int
	unknown []string
	problem string
	raw     []byte
}

func newDelivery(account string, auth permissions.Auth, raw []byte) delivery {
	sum := sha256.Sum256(raw)
	return delivery{
		account: account, hash: hex.EncodeToString(sum[:]), auth: auth,
		state: stateStored, size: len(raw), raw: raw,
	}
}

// insert writes the row and returns its id; ok is false for a repeat, which is
// only counted.
func (d *delivery) insert(ctx context.Context, tx *audit.Tx) (id int64, ok bool, err error) {
	unknown, err := json.Marshal(d.unknown)
	if err != nil {
		return 0, false, fmt.Errorf("unknown parts: %w", err)
	}
	var raw []byte
	if d.state != stateStored {
		raw = d.raw
	}
	now := tx.Now().UnixMilli()
	err = tx.QueryRowContext(ctx, sqlDeliveryInsert, d.account, d.hash, string(d.auth), string(d.state),
		now, d.size, string(unknown), d.problem, raw).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		var state string
		err = tx.QueryRowContext(ctx, sqlDeliveryRepeat, now, d.account, d.hash).Scan(&state)
		d.state = deliveryState(state)
		return 0, false, wrap("count repeated delivery", err)
	}
	if err != nil {
		return 0, false, fmt.Errorf("store delivery: %w", err)
	}
	if raw != nil {
		_, err = tx.ExecContext(ctx, sqlDeliveryBound, d.account, string(d.state), d.account, string(d.state), d.most())
	}
	return id, true, wrap("bound deliveries", err)
}

// deliveryRecord is the audit's word on a delivery that was not plain.
type deliveryRecord struct {
	Delivery int64    `json:"delivery"`
	Account  string   `json:"account"`
	SHA256   string   `json:"sha256"`
	Size     int      `json:"size"`
	Auth     string   `json:"auth"`
	Unknown  []string `json:"unknown,omitempty"`
	Problem  string   `json:"problem,omitempty"`
}

// note appends what is not plain about a new delivery to the audit.
func (d *delivery) note(ctx context.Context, tx *audit.Tx, id int64) error {
	r := deliveryRecord{
		Delivery: id, Account: d.account, SHA256: d.hash, Size: d.size, Auth: string(d.auth),
		Unknown: d.unknown, Problem: d.problem,
	}
	if d.state == stateMalformed || d.state == stateQuarantined {
		if _, err := tx.Append(ctx, audit.Record{Kind: "webhook.malformed", Payload: r}); err != nil {
			return fmt.Errorf("audit malformed delivery: %w", err)
		}
	}
	if len(d.unknown) > 0 {
		if _, err := tx.Append(ctx, audit.Record{Kind: "webhook.unknown", Payload: r}); err != nil {
			return fmt.Errorf("audit unknown parts: %w", err)
		}
	}
	return nil
}

// most is how many deliveries of the delivery's state are kept.
func (d *delivery) most() int {
	if d.state == stateQuarantined {
		return maxQuarantined
	}
	return maxKept
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
