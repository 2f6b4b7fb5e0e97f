package meta

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/provider"
)

var _ provider.SettingsReader = (*Account)(nil)

// ReadSettings implements provider.SettingsReader by the settings edge of the
// phone number (Cloud API Calling, call settings).
func (a *Account) ReadSettings(ctx context.Context) ([]permissions.Notice, error) {
	const edge = "settings"
	now := a.cfg.Now().UTC() // what is heard of while the answer is under way is newer
	answer, err := a.api.Get(ctx, a.path+"/"+edge)
	if err != nil {
		return nil, fmt.Errorf("meta: %s: %w", edge, err)
	}
	var raw json.RawMessage
	if err := a.read(answer, edge, &raw); err != nil {
		return nil, err
	}
	r := provider.Reader{
		Provider: name, Account: a.cfg.Name, Business: a.cfg.Business, Auth: permissions.AuthReadBack, Now: a.cfg.Now,
	}
	base := permissions.Notice{ID: r.ID("settings", now.Format("20060102T150405.000Z"), provider.Digest(raw)), At: now}
	if !r.Settings(base, raw) || len(r.Unknown) > 0 {
		return nil, fmt.Errorf("meta: %s: %w", edge, provider.ErrAnswer)
	}
	return r.Notices, nil
}
