package geo

import "time"

// Verdict is the answer of a geographic rule.
type Verdict struct {
	Blocked bool
	Rule    string // which list and entry, such as "bic_blocked_business_countries/US"
	Source  string // where the entry comes from
	Region  string // ISO 3166-1 alpha-2, or a territory such as "UA-43"
}

// Rules are the dated lists of where calling exists. Immutable after Load.
type Rules struct{}

// Load returns the rules that ship with this binary.
func Load() (*Rules, error) { return &Rules{}, nil }

// Version identifies the data file, as cited by decisions.
func (r *Rules) Version() string { return "" }

// Business says whether a business with this number may place WhatsApp calls at t.
func (r *Rules) Business(n E164, t time.Time) Verdict { return Verdict{} }

// User says whether a user with this number may be called or asked at t.
func (r *Rules) User(n E164, t time.Time) Verdict { return Verdict{} }
