package sipbridge

import (
	"context"
	"database/sql"
	"log/slog"
	"time"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/geo"
	"github.com/callctl/callctl/media"
)

// Account is one WhatsApp business number.
type Account struct {
	Name     string
	Business geo.E164
	Carrier  Carrier
	Codecs   []media.Codec // offered to WhatsApp, in order
	Agent    string        // where calls from users go: extension or SIP URI on the trunk
}

// Trunk is the PBX.
type Trunk struct {
	Name     string
	URI      string // sip:host:port;transport=udp|tcp
	Username string
	Password string
	Codecs   []media.Codec
}

// Timeouts of a call; zero values take the defaults named.
type Timeouts struct {
	AgentRing time.Duration // PBX must answer within; 45 s
	UserRing  time.Duration // the WhatsApp user must answer within; 60 s
	Stale     time.Duration // a connect event older than this never rings; 60 s
	MediaUp   time.Duration // ICE and DTLS must be up within; 15 s
}

// Config is what a Bridge needs.
type Config struct {
	Accounts []Account
	Trunk    Trunk
	Listen   []string // "udp://127.0.0.1:5060", "tcp://127.0.0.1:5060"
	Contact  string   // host written into Contact and Via; the listen address when empty
	Gate     Gate
	Ledger   Ledger
	Log      *audit.Log
	Read     *sql.DB
	Ports    *media.Ports
	Timeouts Timeouts
	Now      func() time.Time
	NewID    func() string
	Logger   *slog.Logger
}

// Bridge owns the calls. Safe for concurrent use.
type Bridge struct{}

// New opens the SIP sockets and checks cfg; it starts nothing.
func New(cfg Config) (*Bridge, error) { return nil, errSkeleton }

// Run serves SIP and calls until ctx ends, then ends every live call cleanly and
// waits for all of them.
func (b *Bridge) Run(ctx context.Context) error { return errSkeleton }

// ListenAddrs are the bound SIP addresses, as in Config.Listen with real ports.
func (b *Bridge) ListenAddrs() []string { return nil }

// Order of the legs of an outgoing call.
type Order string

// The orders.
const (
	AgentFirst Order = "agent_first"
	UserFirst  Order = "user_first"
)

// Originate asks for one outgoing call.
type Originate struct {
	CallID     string // empty: the bridge makes one
	CallbackID string
	Business   geo.E164
	User       string
	Agent      string
	Purpose    string
	Order      Order
}

// Result is how a call ended.
type Result struct {
	CallID  string
	Outcome string
	Cause   string
}

// Originate puts the call before the gate and, when allowed, places it; it
// returns the call's id once the attempt is durable and the call's loop runs.
// done, when not nil, is called once with the result after the CDR is durable.
func (b *Bridge) Originate(ctx context.Context, o Originate, done func(Result)) (string, error) {
	return "", errSkeleton
}

// Deliver hands a carrier's event to its call, or starts a call for a user's
// connect. It does not block on the network. Duplicates and any order are fine.
func (b *Bridge) Deliver(ctx context.Context, e Event) {}

// HangUpUser ends every live call with the user (any of the aliases), whatever
// its state, and returns how many there were. It does not block.
func (b *Bridge) HangUpUser(reason string, aliases ...string) int { return 0 }

// HangUp ends one live call; false when there is none with that id.
func (b *Bridge) HangUp(id, reason string) bool { return false }

// LiveCall is the state of a call that has not ended.
type LiveCall struct {
	ID         string            `json:"id"`
	Account    string            `json:"account"`
	Direction  Direction         `json:"direction"`
	User       string            `json:"user"`
	Business   geo.E164          `json:"business"`
	CallbackID string            `json:"callbackId,omitempty"`
	State      string            `json:"state"` // connecting, ringing, answered, bridged, ending
	StartedAt  time.Time         `json:"startedAt"`
	AnsweredAt time.Time         `json:"answeredAt,omitzero"`
	WhatsApp   media.StreamStats `json:"whatsapp"`
	PBX        media.StreamStats `json:"pbx"`
}

// Live lists the live calls.
func (b *Bridge) Live() []LiveCall { return nil }

// CDR is the record of an ended call.
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
	AuditIndex    int64             `json:"auditIndex"`
}

// CDRs lists ended calls, newest first, by cursor.
func (b *Bridge) CDRs(ctx context.Context, limit int, cursor string) (list []CDR, next string, err error) {
	return nil, "", errSkeleton
}

// CDR returns the record of one ended call; ok is false when there is none.
func (b *Bridge) CDR(ctx context.Context, id string) (CDR, bool, error) {
	return CDR{}, false, errSkeleton
}
