package story

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// decision is what the gate says.
type decision struct {
	Allow  bool   `json:"allow"`
	Reason string `json:"reason"`
}

// readBack: 8x8's webhook carries a static secret only, so its grant counts once
// 8x8 has confirmed it; and what 8x8 never tells is found by asking.
func (t *teller) readBack(ctx context.Context) error {
	if n := t.questions(); n != 0 {
		return failf("8x8 was asked %d times before anybody wanted to call", n)
	}
	if err := t.decides(ctx, "permission_unverified"); err != nil {
		return err
	}
	t.prove("the grant came with a static secret in a header, which proves little: a call now is refused, permission_unverified")
	began := time.Now()
	p, err := t.askProvider(ctx)
	if err != nil {
		return err
	}
	if t.questions() != 1 || p.Status != "temporary" || !p.Verified {
		return failf("8x8 was asked %d times, the permission is %s, verified %t", t.questions(), p.Status, p.Verified)
	}
	if err := t.decides(ctx, "allowed"); err != nil {
		return err
	}
	t.figure("readBackMs", ms(time.Since(began)))
	t.prove("8x8 got GET callPermissions and confirmed it: the same question is answered allowed, until the expiry of the grant, %s",
		p.ExpiresAt.Format(time.RFC3339))
	return t.silentRevocation(ctx)
}

// silentRevocation: permission ends at 8x8, which sends no webhook of it.
func (t *teller) silentRevocation(ctx context.Context) error {
	t.EightX8.SetPermission(t.EightAc.User, "not_granted", time.Time{})
	p, err := t.askProvider(ctx)
	if err != nil {
		return err
	}
	if p.Status != "no_permission" {
		return failf("8x8 knows no permission any more, the ledger says %s", p.Status)
	}
	if err := t.decides(ctx, "permission_revoked"); err != nil {
		return err
	}
	e, err := t.lastEvent(ctx, t.EightAc, "revoked")
	if err != nil {
		return err
	}
	if e.Auth != "readback" {
		return failf("the revocation is authenticated by %q, want readback", e.Auth)
	}
	t.prove("8x8 then revoked it without a webhook, as after four unanswered calls: asked again, the ledger knows, audit entry %d", e.AuditIndex)
	return nil
}

// askProvider has callctl ask the provider for the permission.
func (t *teller) askProvider(ctx context.Context) (permission, error) {
	var p permission
	if err := t.api.post(ctx, t.EightAc.path()+"/read-backs", nil, &p); err != nil {
		return p, fmt.Errorf("read-back: %w", err)
	}
	return p, nil
}

// decides asks the gate about a call to 8x8's customer.
func (t *teller) decides(ctx context.Context, reason string) error {
	var d decision
	err := t.api.post(ctx, "/v1/decisions", map[string]any{
		"business": t.EightAc.Business, "user": t.EightAc.User, "purpose": "order 4711",
	}, &d)
	if err != nil {
		return fmt.Errorf("decision: %w", err)
	}
	if d.Reason != reason || d.Allow != (reason == "allowed") {
		return failf("the gate says %s, want %s", d.Reason, reason)
	}
	return nil
}

// questions counts the permission queries that 8x8 got.
func (t *teller) questions() int {
	n := 0
	for _, r := range t.EightX8.Requests() {
		if strings.HasSuffix(r.Path, "/callPermissions") {
			n++
		}
	}
	return n
}
