package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/callctl/callctl/compliance/audit"
)

// MaxSubscriptions bounds the subscriptions: each has a goroutine and reads the
// log for itself.
const MaxSubscriptions = 100

const (
	maxURL   = 2048
	maxKinds = 50
)

// State is how a subscription does.
type State string

// The states of a subscription.
const (
	Active   State = "active"   // the last delivery was taken, or none was due yet
	Failing  State = "failing"  // the entry after Delivered is tried again and again
	Disabled State = "disabled" // answered 410 Gone, or failed for 72 hours; final
)

// The kinds of entry about subscriptions. They hold no personal data.
const (
	kindCreated  = "webhook_subscription.created"
	kindDeleted  = "webhook_subscription.deleted"
	kindDisabled = "webhook_subscription.disabled"
)

// Secret signs the deliveries of one subscription: "whsec_" and the base64 of
// the key (Standard Webhooks). It does not show itself in logs.
type Secret string

// LogValue implements slog.LogValuer.
func (Secret) LogValue() slog.Value { return slog.StringValue("whsec_…") }

// Subscription is one receiver of outgoing webhooks.
type Subscription struct {
	ID           string
	URL          string
	Kinds        []string // audit kinds, or prefixes that end in a dot; empty means all
	Secret       Secret   // given by [Notifier.Create] alone
	Actor        string   // who made it
	Created      time.Time
	Delivered    int64 // all that it wants up to this audit index was taken
	State        State
	FailingSince time.Time // when the entry after Delivered first failed; zero unless failing or disabled
	Problem      string    // why the last try failed, in our own words
}

// wants says whether the subscription is about entries of the kind.
func (s *Subscription) wants(kind string) bool {
	if len(s.Kinds) == 0 {
		return true
	}
	return slices.ContainsFunc(s.Kinds, func(k string) bool {
		return k == kind || strings.HasSuffix(k, ".") && strings.HasPrefix(kind, k)
	})
}

// Draft is a subscription that somebody asks for.
type Draft struct {
	URL   string
	Kinds []string
	Actor string
	// After is the audit index after which to begin, -1 for the whole log; nil
	// begins with what happens next.
	After *int64
}

// subscriptionRecord is the payload of the entries about subscriptions. The address is
// named by its host alone, because a path may hold a credential.
type subscriptionRecord struct {
	ID     string   `json:"id"`
	Actor  string   `json:"actor,omitempty"`
	Host   string   `json:"host,omitempty"`
	Kinds  []string `json:"kinds,omitempty"`
	Reason string   `json:"reason,omitempty"`
}

// Create adds a subscription. Its secret is in the answer and is shown never
// again. It fails with [ErrURL], [ErrKinds], [ErrAfter] or [ErrTooMany].
func (n *Notifier) Create(ctx context.Context, d Draft) (Subscription, error) {
	u, err := n.checkURL(d.URL)
	if err != nil {
		return Subscription{}, err
	}
	if err := checkKinds(d.Kinds); err != nil {
		return Subscription{}, err
	}
	secret, err := newSecret(n.cfg.Rand)
	if err != nil {
		return Subscription{}, err
	}
	s := Subscription{
		ID: n.cfg.NewID(), URL: u.String(), Kinds: slices.Clone(d.Kinds), Secret: secret, Actor: d.Actor, State: Active,
	}
	err = n.cfg.Log.Update(ctx, func(ctx context.Context, tx *audit.Tx) error {
		return n.create(ctx, tx, &s, u.Hostname(), d.After)
	})
	if err != nil {
		return Subscription{}, err
	}
	return s, nil
}

func (n *Notifier) create(ctx context.Context, tx *audit.Tx, s *Subscription, host string, after *int64) error {
	var count int
	if err := tx.QueryRowContext(ctx, sqlCount).Scan(&count); err != nil {
		return fmt.Errorf("count subscriptions: %w", err)
	}
	if count >= MaxSubscriptions {
		return ErrTooMany
	}
	index, err := tx.Append(ctx, audit.Record{
		Kind: kindCreated, Payload: subscriptionRecord{ID: s.ID, Actor: s.Actor, Host: host, Kinds: s.Kinds},
	})
	if err != nil {
		return err
	}
	s.Created, s.Delivered = tx.Now(), index // its own creation is not news to it
	if after != nil {
		if *after < -1 || *after >= index {
			return ErrAfter
		}
		s.Delivered = *after
	}
	kinds, err := json.Marshal(s.Kinds)
	if err != nil {
		return fmt.Errorf("subscription: %w", err)
	}
	_, err = tx.ExecContext(ctx, sqlInsert,
		s.ID, s.URL, string(kinds), string(s.Secret), s.Actor, s.Created.UnixMilli(), s.Delivered, string(s.State))
	if err != nil {
		return fmt.Errorf("add subscription: %w", err)
	}
	tx.OnCommit(n.changed)
	return nil
}

// Delete ends a subscription. A delivery that is under way may still arrive. It
// fails with [ErrNotFound].
func (n *Notifier) Delete(ctx context.Context, id, actor string) error {
	return n.cfg.Log.Update(ctx, func(ctx context.Context, tx *audit.Tx) error {
		res, err := tx.ExecContext(ctx, sqlDelete, id)
		if err != nil {
			return fmt.Errorf("delete subscription: %w", err)
		}
		if rows, err := res.RowsAffected(); err != nil || rows == 0 {
			return orNotFound(err)
		}
		if _, err := tx.Append(ctx, audit.Record{Kind: kindDeleted, Payload: subscriptionRecord{ID: id, Actor: actor}}); err != nil {
			return err
		}
		tx.OnCommit(func() {
			n.deleted.Store(id, true)
			n.changed()
		})
		return nil
	})
}

func orNotFound(err error) error {
	if err != nil {
		return fmt.Errorf("delete subscription: %w", err)
	}
	return ErrNotFound
}

// kindForm is a kind of the audit log, or a prefix of kinds that ends in a dot.
var kindForm = regexp.MustCompile(`^[a-z0-9_]+(\.[a-z0-9_]+)*\.?$`)

func checkKinds(kinds []string) error {
	if len(kinds) > maxKinds {
		return fmt.Errorf("%w: more than %d", ErrKinds, maxKinds)
	}
	for _, k := range kinds {
		if len(k) > 64 || !kindForm.MatchString(k) {
			return ErrKinds
		}
	}
	return nil
}

// checkURL refuses what could not be posted to, without asking the DNS: where a
// name leads is looked at again before each connection.
func (n *Notifier) checkURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil, len(raw) > maxURL, u.Opaque != "", u.Hostname() == "":
		return nil, fmt.Errorf("%w: it is no address of a web server", ErrURL)
	case u.User != nil:
		return nil, fmt.Errorf("%w: it holds a password; deliveries are authenticated by their signature", ErrURL)
	case u.Fragment != "" || strings.HasSuffix(raw, "#"):
		return nil, fmt.Errorf("%w: it has a fragment", ErrURL)
	}
	return u, n.checkHost(u)
}

func (n *Notifier) checkHost(u *url.URL) error {
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	local := host == "localhost" || strings.HasSuffix(host, ".localhost")
	if endsInNumber(host) || strings.Contains(host, ":") {
		ip, err := parseLiteral(host)
		if err != nil || !dialable(ip, n.cfg.AllowPrivate) {
			return fmt.Errorf("%w: the host is a forbidden or malformed address", ErrURL)
		}
		local = ip.IsLoopback()
	}
	switch {
	case local && !n.cfg.AllowPrivate:
		return fmt.Errorf("%w: it leads to this machine", ErrURL)
	case u.Scheme != "https" && (u.Scheme != "http" || !local):
		return fmt.Errorf("%w: only https", ErrURL)
	case u.Port() != "" && u.Port() != "443" && !n.cfg.AllowPrivate:
		return fmt.Errorf("%w: only port 443", ErrURL)
	}
	return nil
}
