package permissions

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/geo"
)

// Business is one of our numbers.
type Business struct {
	Number  geo.E164
	Account string // configuration name
	Rules   string // rule pack, [DefaultPack] when empty
	Brand   string // numbers of one brand share revocations of that scope; the account's name when empty
	// Silent is true when the provider's webhooks leave out automatic grants and
	// revocations (8x8): a dial then asks the provider first.
	Silent bool
}

// Config is what a Ledger needs.
type Config struct {
	Log        *audit.Log
	Read       *sql.DB
	Geo        *geo.Rules
	Businesses []Business
	// Packs are a company's own rule packs, as JSON documents in the form of
	// docs/rule-packs.md, beside those of the binary; several dated versions of one
	// name are several documents. A document with the name of a shipped pack is
	// [ErrPack].
	Packs []json.RawMessage
	// Words are a company's own opt-out words, as documents of [LoadWords], beside
	// those of the binary.
	Words []json.RawMessage
	Now   func() time.Time // the clock of reads; time.Now when nil
	// NewID makes ids that no one can guess and that never repeat; 128 random
	// bits in hex when nil. It names subjects, decisions and operator events.
	NewID func() string
	// RevokeTx runs inside the transaction that narrows permission, so that
	// what depends on it (pending callbacks) ends with it. An error undoes the
	// whole transaction. Nil is allowed.
	RevokeTx func(ctx context.Context, tx *audit.Tx, r Revocation) error
	// StoppedTx runs inside the transaction of a message that stopped messages and
	// left calls alone, with a Revocation that ends nothing and names the stop, its
	// pair and the message: for who confirms it. An error undoes the whole
	// transaction. Nil is allowed.
	StoppedTx func(ctx context.Context, tx *audit.Tx, r Revocation) error
	// OnRevoked is called after the commit, on the recording goroutine; it must
	// not block. Nil is allowed.
	OnRevoked func(Revocation)
}

// Ledger is the permission ledger. Safe for concurrent use.
type Ledger struct {
	cfg        Config
	businesses map[geo.E164]Business
	packs      packs
	words      *Words
	verdicts   struct { // of our numbers' countries
		sync.Mutex

		of map[verdictKey]geo.Verdict
	}
}

// New checks cfg and returns the ledger over its database. Errors wrap
// [ErrConfig] or [ErrPack].
func New(cfg Config) (*Ledger, error) {
	if cfg.Log == nil || cfg.Read == nil || cfg.Geo == nil {
		return nil, fmt.Errorf("%w: Log, Read and Geo are needed", ErrConfig)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.NewID == nil {
		cfg.NewID = randomID
	}
	l := &Ledger{cfg: cfg, businesses: make(map[geo.E164]Business, len(cfg.Businesses))}
	var err error
	if l.packs, err = loadPacks(packFiles, cfg.Packs...); err != nil {
		return nil, err
	}
	if l.words, err = LoadWords(cfg.Words...); err != nil {
		return nil, err
	}
	for _, b := range cfg.Businesses {
		if err := l.addBusiness(b); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func (l *Ledger) addBusiness(b Business) error {
	number, err := geo.Parse(string(b.Number))
	if err != nil {
		return fmt.Errorf("%w: account %q: its number is no E.164 number", ErrConfig, b.Account)
	}
	b.Number = number
	if b.Rules == "" {
		b.Rules = DefaultPack
	}
	if len(l.packs[b.Rules]) == 0 {
		return fmt.Errorf("%w: account %q: no rule pack %q", ErrConfig, b.Account, b.Rules)
	}
	if other, twice := l.businesses[number]; twice {
		return fmt.Errorf("%w: accounts %q and %q have one number", ErrConfig, other.Account, b.Account)
	}
	l.businesses[number] = b
	return nil
}

// pack is the rule pack of a business at t.
func (l *Ledger) pack(business geo.E164, t time.Time) *pack {
	return l.packs.at(l.businesses[business].Rules, t)
}

// randomID is 128 bits that no one can guess.
func randomID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails: it ends the process instead
	return hex.EncodeToString(b[:])
}
