package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/callctl/callctl/compliance"
	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/geo"
	"github.com/callctl/callctl/media"
	"github.com/callctl/callctl/migrations"
	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/permissions/callback"
	"github.com/callctl/callctl/permissions/readback"
	"github.com/callctl/callctl/provider"
	"github.com/callctl/callctl/provider/eightx8"
	"github.com/callctl/callctl/provider/meta"
	"github.com/callctl/callctl/server"
	"github.com/callctl/callctl/server/notify"
	"github.com/callctl/callctl/sipbridge"
)

// stopTimeout bounds each step of stopping.
const stopTimeout = 15 * time.Second

// providerTimeout bounds one request to a provider.
const providerTimeout = 10 * time.Second

// daemon is everything that "callctl serve" runs. It is the only place where
// the packages of the house meet.
type daemon struct {
	cfg    Config
	logger *slog.Logger
	now    func() time.Time

	db         *migrations.DB
	log        *audit.Log
	ledger     *permissions.Ledger
	bridge     *sipbridge.Bridge // nil when no account carries calls
	reader     *readback.Reader
	callbacks  *callback.Scheduler
	exporter   *compliance.Exporter
	confirmer  *compliance.Confirmer
	importer   *compliance.Importer
	notifier   *notify.Notifier
	server     *server.Server
	accounts   []server.Account
	carriers   []sipbridge.Account
	messengers messenger
	transport  *http.Transport

	api, admin net.Listener
}

// newDaemon opens the database and the sockets and wires the parts; it starts
// nothing. What it opened is closed by close, also when it fails half-way.
//
// It is one straight function on purpose: the order of these lines is the order
// of dependence, and reading it once shows the whole program.
func newDaemon(ctx context.Context, cfg Config, logger *slog.Logger) (_ *daemon, err error) {
	d := &daemon{cfg: cfg, logger: logger, now: time.Now, messengers: messenger{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close())
		}
	}()
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	if d.db, err = migrations.Open(ctx, filepath.Join(cfg.DataDir, "callctl.db")); err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	if d.log, err = audit.New(ctx, audit.Config{
		Write: d.db.Write, Read: d.db.Read, Dir: filepath.Join(cfg.DataDir, "audit"), Origin: cfg.Audit.Origin, Now: d.now,
	}); err != nil {
		return nil, fmt.Errorf("audit log: %w", err)
	}
	if err := d.openAccounts(); err != nil {
		return nil, err
	}
	if err := d.openLedger(); err != nil {
		return nil, err
	}
	if err := d.openReader(); err != nil {
		return nil, err
	}
	if err := d.openBridge(); err != nil {
		return nil, err
	}
	if err := d.openCompliance(); err != nil {
		return nil, err
	}
	if err := d.openNotifier(); err != nil {
		return nil, err
	}
	if err := d.openServer(); err != nil {
		return nil, err
	}
	return d, nil
}

// openAccounts makes the provider of every account.
func (d *daemon) openAccounts() error {
	d.transport = &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		MaxIdleConnsPerHost:   32,
		IdleConnTimeout:       30 * time.Second,
		TLSHandshakeTimeout:   5 * time.Second,
		ResponseHeaderTimeout: providerTimeout,
		ForceAttemptHTTP2:     true,
	}
	client := &http.Client{Timeout: providerTimeout, Transport: d.transport}
	for _, a := range d.cfg.Accounts {
		p, carrier, err := d.openProvider(a, client)
		if err != nil {
			return fmt.Errorf("account %s: %w", a.Name, err)
		}
		d.messengers[a.Name] = p
		calling := a.Calling.Mode == callingGraph && carrier != nil
		d.accounts = append(d.accounts, server.Account{
			Name: a.Name, Provider: p, Kind: a.Provider, Business: a.BusinessNumber, Calling: calling,
			Template: provider.Template{Name: a.Template.Name, Language: a.Template.Language, Params: a.Template.Params},
		})
		if calling {
			d.carriers = append(d.carriers, sipbridge.Account{
				Name: a.Name, Business: a.BusinessNumber, Carrier: attentiveCarrier{carrier, a.Name, a.BusinessNumber, d.faults}, Codecs: a.Calling.Codecs, Agent: a.Calling.Agent,
				Record: a.Calling.Record,
			})
		}
	}
	return nil
}

// openProvider is where a new provider is plugged in.
func (d *daemon) openProvider(a AccountConfig, client *http.Client) (provider.Provider, sipbridge.Carrier, error) {
	logger := d.logger.With("account", a.Name)
	if a.Provider == providerMeta {
		p, err := meta.New(meta.Config{
			Name: a.Name, Business: a.BusinessNumber, PhoneNumberID: a.API.PhoneNumberID, BaseURL: a.API.BaseURL,
			Version: a.API.Version, BusinessAccountID: a.API.BusinessAccountID, Token: string(a.API.Token), AppSecret: string(a.Webhook.AppSecret),
			VerifyToken: string(a.Webhook.VerifyToken), HTTP: client, Now: d.now, Logger: logger,
		})
		return p, p, err //nolint:wrapcheck,nolintlint // the caller names the account
	}
	p, err := eightx8.New(eightx8.Config{
		Name: a.Name, Business: a.BusinessNumber, BaseURL: a.API.BaseURL, SubAccount: a.API.Subaccount,
		Channel: a.API.Channel, BusinessAccountID: a.API.BusinessAccountID, Key: string(a.API.Key), Authorization: string(a.Webhook.Authorization),
		HTTP: client, Now: d.now, Logger: logger,
	})
	return p, nil, err
}

// openLedger makes the ledger. What must end together with a permission
// (pending callbacks) ends in its transaction; live calls right after the commit.
func (d *daemon) openLedger() error {
	rules, err := geo.Load(d.cfg.Rules.overrides()...)
	if err != nil {
		return fmt.Errorf("geographic rules: %w", err)
	}
	packs, err := readDocuments(d.cfg.Rules.Packs)
	if err != nil {
		return fmt.Errorf("rule packs: %w", err)
	}
	words, err := readDocuments(d.cfg.Rules.Words)
	if err != nil {
		return fmt.Errorf("opt-out words: %w", err)
	}
	businesses := make([]permissions.Business, 0, len(d.cfg.Accounts))
	for _, a := range d.cfg.Accounts {
		businesses = append(businesses, permissions.Business{
			Number: a.BusinessNumber, Account: a.Name, Rules: a.Rules, Brand: a.Brand, Silent: a.Provider == provider8x8,
		})
	}
	d.ledger, err = permissions.New(permissions.Config{
		Log: d.log, Read: d.db.Read, Geo: rules, Businesses: businesses, Packs: packs, Words: words, Now: d.now,
		RevokeTx: func(ctx context.Context, tx *audit.Tx, r permissions.Revocation) error {
			if _, err := d.callbacks.CancelUser(ctx, tx, r); err != nil {
				return fmt.Errorf("cancel callbacks: %w", err)
			}
			return d.confirmer.Enqueue(ctx, tx, r)
		},
		StoppedTx: func(ctx context.Context, tx *audit.Tx, r permissions.Revocation) error {
			return d.confirmer.Enqueue(ctx, tx, r)
		},
		OnRevoked: d.withdrawn,
	})
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	return nil
}

// The providers' webhook retries, after which a delivery is lost: Meta tries for 7
// days, 8x8 at 1, 10, 30 and 90 seconds. And how many questions a second they take.
const (
	metaRetries = 7 * 24 * time.Hour
	retries8x8  = 131 * time.Second
	readRate    = 5
)

func (d *daemon) faults() faults {
	return faults{d.log, d.ledger, d.reader, d.now, rand.Text, d.logger}
}

// openReader makes the reader of permissions at the providers.
func (d *daemon) openReader() error {
	accounts := make([]readback.Account, 0, len(d.accounts))
	for _, a := range d.accounts {
		source, ok := a.Provider.(provider.PermissionReader)
		if !ok {
			continue
		}
		retries := retries8x8
		if a.Kind == providerMeta {
			retries = metaRetries
		}
		accounts = append(accounts, readback.Account{
			Name: a.Name, Business: a.Business, Source: source, Rate: readRate, Retries: retries,
		})
	}
	var err error
	d.reader, err = readback.New(readback.Config{
		Ledger: d.ledger, Accounts: accounts, Now: d.now, Logger: d.logger.With("part", "read-back"),
		Asked: func(q readback.Question) { d.server.Asked(q) },
	})
	if err != nil {
		return fmt.Errorf("read-back: %w", err)
	}
	return nil
}

// withdrawn ends the calls that a withdrawn permission no longer covers. It does
// not block.
func (d *daemon) withdrawn(r permissions.Revocation) {
	if d.bridge == nil {
		return
	}
	n := 0
	if everyCall(r) {
		addresses := make([]string, 0, len(r.Addresses))
		for _, u := range r.Addresses {
			addresses = append(addresses, string(u))
		}
		n = d.bridge.HangUpUser(string(r.Reason), addresses...)
	} else {
		for _, c := range d.bridge.Live() {
			if ends(r, c) && d.bridge.HangUp(c.ID, string(r.Reason)) {
				n++
			}
		}
	}
	d.logger.Info("permission withdrawn", "pair", r.Pair, "reason", r.Reason, "live_calls_ended", n)
}

// everyCall says whether a revocation ends every call with the user.
func everyCall(r permissions.Revocation) bool {
	return r.DoNotCall && r.Scope != permissions.ScopeBrand && r.Scope != permissions.ScopePurpose
}

// ends says whether a revocation ends a live call: on an opt-out every one with the
// user that it reaches, whoever placed it; on a mere withdrawal the business's own
// that the user has not answered yet.
func ends(r permissions.Revocation, c sipbridge.LiveCall) bool {
	switch {
	case !slices.Contains(r.Addresses, permissions.User(c.User)):
		return false
	case everyCall(r):
		return true
	case c.Business != r.Pair.Business:
		return false
	case r.DoNotCall:
		return r.Scope != permissions.ScopePurpose || permissions.SamePurpose(r.Purpose, c.Purpose)
	}
	return c.Direction == sipbridge.BusinessInitiated && c.AnsweredAt.IsZero()
}

// openBridge makes the bridge when any account carries calls, and the scheduler.
func (d *daemon) openBridge() error {
	if len(d.carriers) > 0 {
		portsCfg, err := d.cfg.Media.Ports()
		if err != nil {
			return fmt.Errorf("media: %w", err)
		}
		ports, err := media.NewPorts(portsCfg)
		if err != nil {
			return fmt.Errorf("media: %w", err)
		}
		trunk := d.cfg.Trunks[0]
		t := d.cfg.Timeouts
		d.bridge, err = sipbridge.New(sipbridge.Config{
			Accounts: d.carriers,
			Trunk:    sipbridge.Trunk{Name: trunk.Name, URI: trunk.URI, Username: trunk.Username, Password: string(trunk.Password), Codecs: trunk.Codecs},
			Listen:   d.cfg.SIP.Listen, Contact: d.cfg.SIP.Contact,
			Gate: gate{d.ledger, d.reader, func(made permissions.Decision) { d.server.Decided(made) }}, Ledger: userCalls{d.ledger, d.reader}, Log: d.log, Read: d.db.Read, Ports: ports,
			Timeouts:  sipbridge.Timeouts{AgentRing: t.AgentRing, UserRing: t.UserRing, Stale: t.Stale, MediaUp: t.MediaUp},
			RecordDir: filepath.Join(d.cfg.DataDir, "recordings"),
			Now:       d.now, NewID: rand.Text, Logger: d.logger.With("part", "bridge"),
		})
		if err != nil {
			return fmt.Errorf("bridge: %w", err)
		}
	}
	var err error
	d.callbacks, err = callback.New(callback.Config{
		Log: d.log, Read: d.db.Read, Ledger: d.ledger, Dialer: d.dialer(), Now: d.now, NewID: rand.Text,
		Logger: d.logger.With("part", "callbacks"),
	})
	if err != nil {
		return fmt.Errorf("callbacks: %w", err)
	}
	return nil
}

func (d *daemon) dialer() callback.Dialer {
	if d.bridge == nil {
		return noCalling{}
	}
	return dialer{d.bridge, d.ledger}
}

// openCompliance makes the exporter, the confirmer of opt-outs and the importer of
// do-not-call lists.
func (d *daemon) openCompliance() error {
	var err error
	d.exporter, err = compliance.NewExporter(compliance.Config{
		Log: d.log, Read: d.db.Read, Ledger: d.ledger, Dir: filepath.Join(d.cfg.DataDir, "exports"), Now: d.now, NewID: rand.Text,
	})
	if err != nil {
		return fmt.Errorf("exporter: %w", err)
	}
	d.confirmer, err = compliance.NewConfirmer(compliance.ConfirmerConfig{
		Log: d.log, Read: d.db.Read, Ledger: d.ledger, Messenger: d.messengers, Now: d.now,
		Logger: d.logger.With("part", "confirmer"),
	})
	if err != nil {
		return fmt.Errorf("confirmer: %w", err)
	}
	d.importer, err = compliance.NewImporter(compliance.ImporterConfig{
		Log: d.log, Read: d.db.Read, Ledger: d.ledger, Now: d.now, NewID: rand.Text, Logger: d.logger.With("part", "imports"),
	})
	if err != nil {
		return fmt.Errorf("importer: %w", err)
	}
	return nil
}

// openNotifier makes the sender of outgoing webhooks.
func (d *daemon) openNotifier() error {
	var err error
	d.notifier, err = notify.New(notify.Config{
		Log: d.log, Read: d.db.Read, AllowPrivate: d.cfg.Webhooks.Networks == networksPrivate, Now: d.now, NewID: rand.Text,
		Logger: d.logger.With("part", "webhooks"),
	})
	if err != nil {
		return fmt.Errorf("outgoing webhooks: %w", err)
	}
	return nil
}

// openServer makes the HTTP surface and opens its sockets.
func (d *daemon) openServer() error {
	tokens := make([]server.Token, 0, len(d.cfg.Tokens))
	for _, t := range d.cfg.Tokens {
		tokens = append(tokens, server.Token{Name: t.Name, Secret: string(t.Token), Scopes: t.Scopes})
	}
	cfg := server.Config{
		Accounts: d.accounts, Tokens: tokens, Log: d.log, Write: d.db.Write, Read: d.db.Read,
		Ledger: d.ledger, Callbacks: d.callbacks, Exporter: d.exporter, Subscriptions: d.notifier,
		Reader: d.reader, Importer: d.importer,
		Metrics: prometheus.NewRegistry(), Now: d.now, NewID: rand.Text,
		Logger: d.logger.With("part", "http"), Version: versionOf(),
	}
	if d.bridge != nil {
		cfg.Bridge = d.bridge // an interface: a nil *Bridge in it would not be nil
	}
	var err error
	if d.server, err = server.New(cfg); err != nil {
		return fmt.Errorf("HTTP: %w", err)
	}
	var lc net.ListenConfig
	if d.api, err = lc.Listen(context.Background(), "tcp", d.cfg.HTTP.Listen); err != nil {
		return fmt.Errorf("HTTP listener: %w", err)
	}
	if d.admin, err = lc.Listen(context.Background(), "tcp", d.cfg.HTTP.Admin); err != nil {
		return fmt.Errorf("admin listener: %w", err)
	}
	return nil
}
