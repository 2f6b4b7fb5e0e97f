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
	"time"

	"github.com/callctl/callctl/media"
	"github.com/callctl/callctl/testbed/eightx8"
	"github.com/callctl/callctl/testbed/meta"
	"github.com/callctl/callctl/testbed/pbx"
	"github.com/callctl/callctl/testbed/story"
)

// The cast of the demo. The numbers are callable by every rule: the businesses
// are in Singapore and Germany.
const (
	demoMetaBusiness = "+4930901820"
	demoMetaUser     = "+6591234567"
	demo8x8Business  = "+6531234567"
	demo8x8User      = "+6598765432"
	demoPNID         = "106540352242922"
	demoSubaccount   = "acme_wa"
	demoChannel      = "4b2ba2df-deb0-4c29-8ba5-a266672daf49"
	demoAgent        = "1001"
)

// world is the daemon and, beside it, the fakes that speak to it by the wire.
type world struct {
	daemon  *daemon
	meta    *meta.Fake
	eightX8 *eightx8.Fake
	pbx     *pbx.PBX
	witness *story.Witness // before the fake Graph API
	token   string
	api     string // base URL
	admin   string // base URL

	logger     *slog.Logger
	fakes      [2]net.Listener
	metaURL    string
	eightX8URL string
}

// newWorld opens every socket; it starts nothing. api and admin are listen
// addresses; dir is the daemon's data folder.
func newWorld(ctx context.Context, dir, api, admin string, logger *slog.Logger) (*world, error) {
	w := &world{logger: logger, token: rand.Text(), witness: &story.Witness{}}
	var lc net.ListenConfig
	for i := range w.fakes {
		l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, errors.Join(fmt.Errorf("fake provider: %w", err), w.close())
		}
		w.fakes[i] = l
	}
	w.metaURL, w.eightX8URL = "http://"+w.fakes[0].Addr().String(), "http://"+w.fakes[1].Addr().String()
	secrets := demoSecrets{key: rand.Text(), secret: rand.Text(), verify: rand.Text(), authorization: "Bearer " + rand.Text()}
	var err error
	if w.meta, err = meta.New(meta.Config{
		PhoneNumberID: demoPNID, Business: demoMetaBusiness[1:], WABA: "102290129340398", Token: secrets.key,
		AppSecret: secrets.secret, VerifyToken: secrets.verify, MediaHost: "127.0.0.1",
	}); err != nil {
		return nil, errors.Join(fmt.Errorf("fake Meta: %w", err), w.close())
	}
	if w.eightX8, err = eightx8.New(eightx8.Config{
		SubAccount: demoSubaccount, Channel: demoChannel, Key: secrets.key, Authorization: secrets.authorization,
	}); err != nil {
		return nil, errors.Join(fmt.Errorf("fake 8x8: %w", err), w.close())
	}
	if w.pbx, err = pbx.New(pbx.Config{Host: "127.0.0.1", Transport: "udp", Extensions: map[string]pbx.Extension{
		demoAgent: {RingFor: 200 * time.Millisecond, Then: "answer", Codecs: []string{"pcmu"}, ToneHz: 1000},
	}}); err != nil {
		return nil, errors.Join(fmt.Errorf("fake PBX: %w", err), w.close())
	}
	cfg := w.config(dir, api, admin, secrets)
	if cfg.Rules.Packs, err = anyHour(dir, rules8x8Strict, rulesMeta); err != nil {
		return nil, errors.Join(err, w.close())
	}
	if w.daemon, err = newDaemon(ctx, cfg, logger); err != nil {
		return nil, errors.Join(err, w.close())
	}
	w.api, w.admin = "http://"+w.daemon.api.Addr().String(), "http://"+w.daemon.admin.Addr().String()
	w.meta.SetWebhook(w.api + "/webhooks/meta/acme-meta")
	w.eightX8.SetWebhook(w.api + "/webhooks/8x8/acme-8x8")
	return w, nil
}

type demoSecrets struct{ key, secret, verify, authorization string }

// config is the daemon's configuration, as a file would say it.
func (w *world) config(dir, api, admin string, s demoSecrets) Config {
	template := TemplateConfig{Name: "call_permission", Language: "en", Params: []string{"Ann", "4711"}}
	cfg := defaultConfig()
	cfg.DataDir = dir
	cfg.HTTP = HTTPConfig{Listen: api, Admin: admin}
	cfg.Tokens = []TokenConfig{{Name: "demo", Token: Secret(w.token), Scopes: []string{"admin"}}}
	cfg.Accounts = []AccountConfig{
		{
			Name: "acme-8x8", Provider: provider8x8, BusinessNumber: demo8x8Business, Rules: anyHourOf(rules8x8Strict),
			Webhook: WebhookConfig{Authorization: Secret(s.authorization)},
			API:     APIConfig{BaseURL: w.eightX8URL, Key: Secret(s.key), Subaccount: demoSubaccount, Channel: demoChannel},
			Calling: CallingConfig{Mode: callingNone}, Template: template,
		},
		{
			Name: "acme-meta", Provider: providerMeta, BusinessNumber: demoMetaBusiness, Rules: anyHourOf(rulesMeta),
			Webhook: WebhookConfig{AppSecret: Secret(s.secret), VerifyToken: Secret(s.verify)},
			API:     APIConfig{BaseURL: w.metaURL, Token: Secret(s.key), PhoneNumberID: demoPNID, Version: "v26.0"},
			Calling: CallingConfig{Mode: callingGraph, Codecs: []media.Codec{media.Opus, media.PCMU, media.PCMA}, Agent: demoAgent, Record: true}, Template: template,
		},
	}
	cfg.Trunks = []TrunkConfig{{Name: "main", URI: "sip:" + w.pbx.Addr() + ";transport=udp", Codecs: defaultCodecs()}}
	cfg.SIP = SIPConfig{Listen: []string{"udp://127.0.0.1:0", "tcp://127.0.0.1:0"}}
	cfg.Media = MediaConfig{Bind: "127.0.0.1", RTPPorts: "0-0"}
	cfg.Audit = AuditConfig{Origin: "callctl/demo"}
	cfg.Webhooks = WebhooksConfig{Networks: networksPrivate}
	return cfg
}

// Run runs fakes and daemon until ctx ends; the daemon stops first.
func (w *world) Run(ctx context.Context) error {
	p := newParts(w.logger, stopTimeout+5*time.Second)
	for i, h := range []http.Handler{w.witness.Wrap(w.meta.Handler()), w.eightX8.Handler()} {
		s := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
		p.start(ctx, "fake provider", func(ctx context.Context) error { return serveHTTP(ctx, w.fakes[i], s, nil) })
	}
	p.start(ctx, "fake Meta", w.meta.Run)
	p.start(ctx, "fake PBX", w.pbx.Run)
	p.start(ctx, "daemon", w.daemon.Run)
	return errors.Join(p.wait(ctx), p.stop())
}

// close closes what newWorld opened. Run has returned before.
func (w *world) close() error {
	var errs []error
	if w.daemon != nil {
		errs = append(errs, w.daemon.close())
	}
	for _, l := range w.fakes {
		if l != nil {
			if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

// anyHour writes, for each of the shipped rule packs, one that differs from it in
// having no quiet hours, because a demo runs when someone looks at it.
func anyHour(dir string, bases ...string) ([]string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("rule packs: %w", err)
	}
	var paths []string
	for _, base := range bases {
		path := filepath.Join(dir, anyHourOf(base)+".yaml")
		pack := "name: " + anyHourOf(base) + "\nversion: \"2026-11-22\"\nvalid_from: \"2026-01-01\"\nbase: " + base +
			"\nhours: null\nsources:\n  hours: a demo runs at any hour\n"
		if err := os.WriteFile(path, []byte(pack), 0o600); err != nil {
			return nil, fmt.Errorf("rule packs: %w", err)
		}
		paths = append(paths, path)
	}
	return paths, nil
}

func anyHourOf(base string) string { return base + "-any-hour" }
