package compliance

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/geo"
	"github.com/callctl/callctl/permissions"
)

// The confirmation's words when none are configured, by what was stopped: no
// question, nothing to buy, no call.
const (
	DefaultConfirmation = "You have been taken off our call list. We will not call you on WhatsApp again. " +
		"This is the only message that you will get about it."
	DefaultMessagesConfirmation = "We will not send you messages on WhatsApp again. " +
		"This is the only message that you will get about it."
	DefaultAllConfirmation = "You have been taken off our lists. We will neither call you nor send you messages on WhatsApp again. " +
		"This is the only message that you will get about it."
)

const (
	// confirmWithin is how old an opt-out may be when it is confirmed: within five
	// minutes the confirmation is presumed to be covered by the consent that it
	// ends (47 CFR 64.1200(a)(12)), later it is one more message to somebody who
	// wants none.
	confirmWithin = 5 * time.Minute
	// sendTimeout bounds one message, also while the process stops.
	sendTimeout = 10 * time.Second
	// senders is how many messages may be under way at once.
	senders = 8
)

// The kinds of entry about a confirmation. That it was sent is an event of the
// ledger, with an entry of its own.
const (
	kindEnqueued = "message.confirmation_enqueued"
	kindUnknown  = "message.confirmation_unknown"
	kindLate     = "message.confirmation_late"
)

// Messenger sends the one confirmation of an opt-out.
type Messenger interface {
	// SendText sends a free-form text from the account to the user. id is ours
	// and unique; message is the provider's id of what was sent. An error means
	// that it may or may not have been sent.
	SendText(ctx context.Context, account string, to permissions.User, text, id string) (message string, err error)
}

// Recorder is what the confirmer asks and tells the ledger; *permissions.Ledger is one.
type Recorder interface {
	OptOutTx(ctx context.Context, tx *audit.Tx, r permissions.Revocation) (o permissions.OptOut, ok bool, err error)
	RecordTx(ctx context.Context, tx *audit.Tx, events ...permissions.Event) (int, error)
}

// ConfirmerConfig is what a Confirmer needs.
type ConfirmerConfig struct {
	Log       *audit.Log
	Read      *sql.DB
	Ledger    Recorder
	Messenger Messenger
	// Texts are the confirmation's words by what was stopped; the default ones for
	// those that are not in it.
	Texts  map[permissions.Channels]string
	Now    func() time.Time
	Logger *slog.Logger
}

// Confirmer confirms each opt-out that came by message once, never twice: the
// intent is durable before the message is sent, and an unknown outcome is not
// repeated. It says what was stopped. Nothing is sent to who wanted no messages
// before already, nor later than five minutes after the opt-out arrived.
type Confirmer struct {
	cfg  ConfirmerConfig
	wake chan struct{}
}

// NewConfirmer checks cfg.
func NewConfirmer(cfg ConfirmerConfig) (*Confirmer, error) {
	if cfg.Log == nil || cfg.Read == nil || cfg.Ledger == nil || cfg.Messenger == nil || cfg.Now == nil {
		return nil, fmt.Errorf("%w: Log, Read, Ledger, Messenger and Now are needed", ErrConfig)
	}
	texts := map[permissions.Channels]string{
		permissions.ChannelsCalls:    DefaultConfirmation,
		permissions.ChannelsMessages: DefaultMessagesConfirmation,
		permissions.ChannelsAll:      DefaultAllConfirmation,
	}
	maps.Copy(texts, cfg.Texts)
	cfg.Texts = texts
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Confirmer{cfg: cfg, wake: make(chan struct{}, 1)}, nil
}

// confirmation is the payload of the entries about one.
type confirmation struct {
	Event    string               `json:"event"` // id of the opt-out
	Account  string               `json:"account,omitempty"`
	Channels permissions.Channels `json:"channels,omitempty"` // what it says was stopped
	Reason   string               `json:"reason,omitempty"`   // why it was not sent, or why that is unknown
}

// pending is a claimed confirmation.
type pending struct {
	event, subject, account string
	channels                permissions.Channels
	since                   time.Time // when the opt-out arrived
	pair                    permissions.Pair
}

// Enqueue writes the intent to confirm in the transaction of the opt-out, or of the
// stop of messages ([permissions.Config.StoppedTx]). Only one that was read from a
// message is confirmed: after one by the API or an
// import nobody is written to, nor is who wanted no messages before. One that
// narrows several pairs, or ends calls and messages, is one message, confirmed
// once, from the number that it was sent to.
func (c *Confirmer) Enqueue(ctx context.Context, tx *audit.Tx, r permissions.Revocation) error {
	if r.Message == "" || r.Account == "" || r.Event == "" {
		return nil
	}
	o, ok, err := c.cfg.Ledger.OptOutTx(ctx, tx, r)
	if err != nil {
		return fmt.Errorf("read opt-out: %w", err)
	}
	if !ok || o.Silenced {
		return nil
	}
	now := tx.Now().UnixMilli()
	res, err := tx.ExecContext(ctx, sqlEnqueue,
		r.Event, r.Message, r.Subject, r.Account, string(r.Pair.Business), string(r.Pair.User), string(o.Channels), now, now)
	if err != nil {
		return fmt.Errorf("enqueue confirmation: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return err
	}
	_, err = tx.Append(ctx, audit.Record{
		Kind: kindEnqueued, Subject: r.Subject, Payload: confirmation{Event: r.Event, Account: r.Account, Channels: o.Channels},
	})
	if err != nil {
		return err
	}
	tx.OnCommit(func() {
		select {
		case c.wake <- struct{}{}:
		default: // already awake
		}
	})
	return nil
}

// Run sends what is enqueued until ctx ends, and then waits for what is being
// sent. What an earlier process left half sent becomes unknown and is not sent
// again.
func (c *Confirmer) Run(ctx context.Context) error {
	if err := c.recover(ctx); err != nil {
		return stopped(ctx, err)
	}
	var group errgroup.Group
	group.SetLimit(senders)
	err := c.claimAll(ctx, &group)
	return errors.Join(stopped(ctx, err), group.Wait())
}

// claimAll claims one confirmation after the other and hands each to a sender.
func (c *Confirmer) claimAll(ctx context.Context, group *errgroup.Group) error {
	for {
		p, ok, err := c.claim(ctx)
		if err != nil {
			return err
		}
		if ok {
			group.Go(func() error {
				if err := c.send(context.WithoutCancel(ctx), p); err != nil {
					// The row stays "sending": it is unknown after the next start.
					c.cfg.Logger.Error("outcome of an opt-out confirmation could not be recorded",
						"account", p.account, "error", err)
				}
				return nil
			})
			continue
		}
		select {
		case <-c.wake:
		case <-ctx.Done():
			return nil
		}
	}
}

// claim marks the oldest enqueued confirmation as being sent, durably, before
// anything is sent: whoever finds that mark after a crash does not know whether
// the message went out, and must not repeat it.
func (c *Confirmer) claim(ctx context.Context) (p pending, ok bool, err error) {
	if waiting, err := c.anyEnqueued(ctx); err != nil || !waiting {
		return p, false, err
	}
	err = c.cfg.Log.Update(ctx, func(ctx context.Context, tx *audit.Tx) error {
		var business string
		var recipient sql.NullString
		var created int64
		err := tx.QueryRowContext(ctx, sqlClaim, tx.Now().UnixMilli()).
			Scan(&p.event, &p.subject, &p.account, &business, &recipient, &p.channels, &created)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("claim confirmation: %w", err)
		}
		p.pair = permissions.Pair{Business: geo.E164(business), User: permissions.User(recipient.String)}
		p.since, ok = time.UnixMilli(created), true
		return nil
	})
	return p, ok, err
}

func (c *Confirmer) anyEnqueued(ctx context.Context) (bool, error) {
	var n int
	if err := c.cfg.Read.QueryRowContext(ctx, sqlEnqueued).Scan(&n); err != nil {
		return false, fmt.Errorf("look for confirmations: %w", err)
	}
	return n > 0, nil
}

// send sends one confirmation, unless it is too late for one, and records what
// came of it.
func (c *Confirmer) send(ctx context.Context, p pending) error {
	if c.cfg.Now().Sub(p.since) > confirmWithin {
		c.cfg.Logger.Warn("an opt-out is not confirmed: too long ago", "account", p.account, "user", p.pair.User)
		return c.unsent(ctx, p, "late", kindLate, "more than five minutes after the opt-out")
	}
	sending, cancel := context.WithTimeout(ctx, sendTimeout)
	message, err := c.cfg.Messenger.SendText(sending, p.account, p.pair.User, c.cfg.Texts[p.channels], confirmationID(p.event))
	cancel()
	if err != nil {
		c.cfg.Logger.Warn("outcome of an opt-out confirmation is unknown, it is not sent again",
			"account", p.account, "user", p.pair.User, "error", err)
		return c.unsent(ctx, p, "unknown", kindUnknown, "sending failed")
	}
	return c.sent(ctx, p, message)
}

// sent records the confirmation with the ledger, which also appends it to the audit.
func (c *Confirmer) sent(ctx context.Context, p pending, message string) error {
	return c.finish(ctx, p, "sent", message, func(ctx context.Context, tx *audit.Tx) error {
		_, err := c.cfg.Ledger.RecordTx(ctx, tx, permissions.Event{
			ID: confirmationID(p.event), Kind: permissions.Confirmed, Pair: p.pair, At: tx.Now(),
			Account: p.account, Auth: permissions.AuthSelf, Ref: message, Text: c.cfg.Texts[p.channels],
		})
		return err
	})
}

// unsent records that a confirmation was not sent, or that nobody knows.
func (c *Confirmer) unsent(ctx context.Context, p pending, state, kind, reason string) error {
	return c.finish(ctx, p, state, "", func(ctx context.Context, tx *audit.Tx) error {
		_, err := tx.Append(ctx, audit.Record{
			Kind: kind, Subject: p.subject,
			Payload: confirmation{Event: p.event, Account: p.account, Channels: p.channels, Reason: reason},
		})
		return err
	})
}

// finish writes the final state, and record what it was, in one transaction.
func (c *Confirmer) finish(
	ctx context.Context, p pending, state, message string, record func(ctx context.Context, tx *audit.Tx) error,
) error {
	return c.cfg.Log.Update(ctx, func(ctx context.Context, tx *audit.Tx) error {
		res, err := tx.ExecContext(ctx, sqlFinishConfirmation, state, message, tx.Now().UnixMilli(), p.event)
		if err != nil {
			return fmt.Errorf("finish confirmation: %w", err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return err
		}
		return record(ctx, tx)
	})
}

// recover settles what an earlier process was sending when it died.
func (c *Confirmer) recover(ctx context.Context) error {
	rows, err := c.cfg.Read.QueryContext(ctx, sqlInterrupted)
	if err != nil {
		return fmt.Errorf("look for interrupted confirmations: %w", err)
	}
	defer rows.Close()
	var list []pending
	for rows.Next() {
		var p pending
		if err := rows.Scan(&p.event, &p.subject, &p.account, &p.channels); err != nil {
			return fmt.Errorf("look for interrupted confirmations: %w", err)
		}
		list = append(list, p)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("look for interrupted confirmations: %w", err)
	}
	for _, p := range list {
		if err := c.unsent(ctx, p, "unknown", kindUnknown, "callctl stopped while sending"); err != nil {
			return err
		}
	}
	return nil
}

func confirmationID(event string) string { return "confirmation/" + event }

// stopped hides the error of a step that ended because ctx did.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}
