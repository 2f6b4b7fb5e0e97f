package story

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	soon     = 5 * time.Second
	template = "call_permission"
)

// ask: the API asks both customers for permission to call; each provider gets
// the template message in its own format, and the ledger has the request.
func (t *teller) ask(ctx context.Context) error {
	for _, acc := range []Account{t.EightAc, t.MetaAcc} {
		body := map[string]any{"purpose": "order 4711"}
		if err := t.api.post(ctx, acc.path()+"/requests", body, nil); err != nil {
			return fmt.Errorf("ask: %w", err)
		}
	}
	if err := t.askedAt8x8(); err != nil {
		return err
	}
	if err := t.askedAtMeta(); err != nil {
		return err
	}
	for _, acc := range []Account{t.EightAc, t.MetaAcc} {
		e, err := t.lastEvent(ctx, acc, "requested")
		if err != nil {
			return err
		}
		t.prove("the request is in the ledger, audit entry %d", e.AuditIndex)
	}
	return nil
}

func (t *teller) askedAt8x8() error {
	for _, r := range t.EightX8.Requests() {
		var m struct {
			User    struct{ Msisdn string }
			Type    string
			Content struct {
				Template struct {
					Name     string
					Language string // 8x8's is a plain string
				}
			}
		}
		if !strings.HasSuffix(r.Path, "/messages") || json.Unmarshal(r.Raw, &m) != nil {
			continue
		}
		if m.Type == "template" && m.User.Msisdn == t.EightAc.User && m.Content.Template.Name == template {
			t.prove("8x8 got POST %s with template %q, language %q", r.Path, m.Content.Template.Name, m.Content.Template.Language)
			return nil
		}
	}
	return failf("no template message in 8x8's format arrived")
}

func (t *teller) askedAtMeta() error {
	for _, r := range t.Meta.Requests() {
		var m struct {
			Product  string `json:"messaging_product"`
			To       string
			Type     string
			Template struct {
				Name     string
				Language struct{ Code string } // Meta's is an object
			}
		}
		if !strings.HasSuffix(r.Path, "/messages") || json.Unmarshal(r.Raw, &m) != nil {
			continue
		}
		if m.Product == "whatsapp" && m.Type == "template" && "+"+m.To == t.MetaAcc.User && m.Template.Name == template {
			t.prove("Meta got POST %s with template %q, language %q", r.Path, m.Template.Name, m.Template.Language.Code)
			return nil
		}
	}
	return failf("no template message in Meta's format arrived")
}

// allow: both customers tap Allow; the ledger shows the grants, their expiry and
// how they were authenticated.
func (t *teller) allow(ctx context.Context) (err error) {
	crm, err := t.subscribe(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, crm.close()) }()
	began := time.Now()
	if err := t.EightX8.Reply(ctx, t.EightAc.User, true, false); err != nil {
		return fmt.Errorf("webhook of 8x8: %w", err)
	}
	t.figure("webhook8x8Ms", ms(time.Since(began)))
	began = time.Now()
	if err := t.Meta.Reply(ctx, strings.TrimPrefix(t.MetaAcc.User, "+"), true, false); err != nil {
		return fmt.Errorf("webhook of Meta: %w", err)
	}
	t.figure("webhookMetaMs", ms(time.Since(began)))
	for _, want := range []struct {
		name, auth string
		acc        Account
	}{
		{"8x8", "bearer", t.EightAc}, {"Meta", "hmac", t.MetaAcc},
	} {
		if err := t.granted(ctx, want.name, want.auth, want.acc); err != nil {
			return err
		}
	}
	if err := crm.heard(ctx, "callctl.permission.granted", 2); err != nil {
		return err
	}
	t.prove("the company's own system got both grants as signed webhooks from %s", t.API)
	return nil
}

func (t *teller) granted(ctx context.Context, name, auth string, acc Account) error {
	var p permission
	err := until(ctx, soon, "the grant from "+name, func(ctx context.Context) (bool, error) {
		err := t.api.get(ctx, acc.path(), &p)
		return p.Status == "temporary", err
	})
	if err != nil {
		return err
	}
	if !p.ExpiresAt.After(time.Now()) {
		return failf("%s: the grant expires at %s, which has passed", name, p.ExpiresAt)
	}
	e, err := t.lastEvent(ctx, acc, "granted")
	if err != nil {
		return err
	}
	if e.Auth != auth {
		return failf("%s: the grant is authenticated by %q, want %q", name, e.Auth, auth)
	}
	t.prove("%s: %s until %s, authenticated by %s, audit entry %d",
		name, p.Status, p.ExpiresAt.Format(time.RFC3339), e.Auth, e.AuditIndex)
	return nil
}

// lastEvent is the newest event of a kind in a pair's history.
func (t *teller) lastEvent(ctx context.Context, acc Account, kind string) (event, error) {
	all, err := t.api.events(ctx, acc)
	if err != nil {
		return event{}, err
	}
	for _, e := range slices.Backward(all) {
		if e.Kind == kind {
			return e, nil
		}
	}
	return event{}, failf("the ledger has no event %q", kind)
}
