package permissions

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/geo"
)

var errSkeleton = errors.New("permissions: not built yet")

// Business is one of our numbers.
type Business struct {
	Number  geo.E164
	Account string // configuration name
	Rules   string // rule pack, "8x8-strict" when empty
}

// Revocation is handed out after a commit that narrowed permission.
type Revocation struct {
	Pair      Pair
	Subject   string
	Event     string // id of the event behind it
	Reason    Reason // PermissionDeclined, PermissionRevoked or DoNotCall
	DoNotCall bool
	At        time.Time
	Account   string
}

// Config is what a Ledger needs.
type Config struct {
	Log        *audit.Log
	Read       *sql.DB
	Geo        *geo.Rules
	Businesses []Business
	Now        func() time.Time
	// RevokeTx runs inside the transaction that narrows permission, so that
	// what depends on it (pending callbacks) ends with it. Nil is allowed.
	RevokeTx func(ctx context.Context, tx *audit.Tx, r Revocation) error
	// OnRevoked is called after the commit, on the recording goroutine; it must
	// not block. Nil is allowed.
	OnRevoked func(Revocation)
}

// Ledger is the permission ledger. Safe for concurrent use.
type Ledger struct{}

// New checks cfg and returns the ledger over its database.
func New(cfg Config) (*Ledger, error) { return nil, errSkeleton }

// Record stores events durably in one transaction: duplicates (by ID) change
// nothing, opt-out words in Messaged events become OptedOut. It returns how many
// events were new.
func (l *Ledger) Record(ctx context.Context, events ...Event) (int, error) { return 0, errSkeleton }

// RecordTx is Record within a transaction of the caller.
func (l *Ledger) RecordTx(ctx context.Context, tx *audit.Tx, events ...Event) (int, error) {
	return 0, errSkeleton
}

// Query asks for a decision.
type Query struct {
	Pair    Pair
	Action  Action // StartCall when empty
	Purpose string
	At      time.Time // zero: now
}

// Check is the dry run of the gate: the same code and rules, nothing written.
func (l *Ledger) Check(ctx context.Context, q Query) (Decision, error) {
	return Decision{}, errSkeleton
}

// Attempt asks to place one call.
type Attempt struct {
	Pair     Pair
	CallID   string // ours, unique
	Callback string // callback id, empty for none
	Purpose  string
}

// Authorize decides and, when allowed, reserves one attempt, all in one durable
// transaction that also appends the decision to the audit. A refusal is a
// Decision with Allow false and a nil Ticket, not an error; it is audited too.
func (l *Ledger) Authorize(ctx context.Context, a Attempt) (*Ticket, Decision, error) {
	return nil, Decision{}, errSkeleton
}

// Ask is a call permission request about to be sent.
type Ask struct {
	Pair     Pair
	ID       string // ours, unique; becomes the provider's opaque id where it has one
	Template string // name/language
	Text     string // the text shown
	Purpose  string
	Actor    string
}

// AuthorizeRequest is Authorize for asking: it decides, and when allowed records
// the Requested event before anything is sent. The returned Decision is audited.
func (l *Ledger) AuthorizeRequest(ctx context.Context, a Ask) (Decision, error) {
	return Decision{}, errSkeleton
}

// Ticket is one reserved attempt. There is no other way to a dial.
type Ticket struct{}

// CallID is the attempt's call.
func (t *Ticket) CallID() string { return "" }

// Decision is what allowed it.
func (t *Ticket) Decision() Decision { return Decision{} }

// Confirm re-checks, right before the network is touched, that nothing narrowed
// the permission since Authorize; it fails with [*Refusal] when something did.
func (t *Ticket) Confirm(ctx context.Context) error { return errSkeleton }

// Settle ends the attempt within the caller's transaction. Settling twice with
// the same outcome is no error.
func (t *Ticket) Settle(ctx context.Context, tx *audit.Tx, o Outcome) error { return errSkeleton }

// Refusal is the error form of a decision that says no.
type Refusal struct{ Decision Decision }

// Error implements error.
func (r *Refusal) Error() string { return "permissions: refused: " + string(r.Decision.Reason) }

// Recover settles as OutcomeUnknown every attempt that an earlier process left
// open. Called once at start, before anything can dial.
func (l *Ledger) Recover(ctx context.Context) (int, error) { return 0, errSkeleton }

// Permission is the state of a pair now.
func (l *Ledger) Permission(ctx context.Context, p Pair) (Permission, error) {
	return Permission{}, errSkeleton
}

// Page bounds a listing.
type Page struct {
	Limit  int
	Cursor string
}

// Permissions lists the state of every pair of a business (all when empty), by
// cursor; next is empty on the last page.
func (l *Ledger) Permissions(ctx context.Context, business geo.E164, p Page) (list []Permission, next string, err error) {
	return nil, "", errSkeleton
}

// Recorded is an event with its place in the audit.
type Recorded struct {
	Event
	AuditIndex int64 `json:"auditIndex"`
}

// Events is the history of a pair, oldest first.
func (l *Ledger) Events(ctx context.Context, p Pair) ([]Recorded, error) { return nil, errSkeleton }

// Subject resolves a user to the opaque id under which the audit knows them;
// ok is false when the ledger has never seen the user.
func (l *Ledger) Subject(ctx context.Context, u User) (id string, ok bool, err error) {
	return "", false, errSkeleton
}

// EnsureSubject is Subject that creates the id when there is none, in tx.
func (l *Ledger) EnsureSubject(ctx context.Context, tx *audit.Tx, u User) (string, error) {
	return "", errSkeleton
}

// DoNotCallEntry is a line of the do-not-call list.
type DoNotCallEntry struct {
	User   User      `json:"user"`
	Since  time.Time `json:"since"`
	Source string    `json:"source"` // message, api, import
	Actor  string    `json:"actor,omitempty"`
	Reason string    `json:"reason,omitempty"`
	Event  string    `json:"event"`
}

// AddDoNotCall puts a user on the list for all businesses, with actor and reason.
func (l *Ledger) AddDoNotCall(ctx context.Context, u User, actor, reason string) error {
	return errSkeleton
}

// RemoveDoNotCall lifts the entry; it restores no permission.
func (l *Ledger) RemoveDoNotCall(ctx context.Context, u User, actor, reason string) error {
	return errSkeleton
}

// DoNotCall returns the user's entry, ok false when there is none.
func (l *Ledger) DoNotCall(ctx context.Context, u User) (DoNotCallEntry, bool, error) {
	return DoNotCallEntry{}, false, errSkeleton
}

// DoNotCallList lists the entries by cursor.
func (l *Ledger) DoNotCallList(ctx context.Context, p Page) (list []DoNotCallEntry, next string, err error) {
	return nil, "", errSkeleton
}
