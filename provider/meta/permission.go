package meta

import (
	"context"
	"fmt"
	"net/url"

	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/provider"
)

var _ provider.PermissionReader = (*Account)(nil)

// permissionAnswer is the answer of the call_permissions edge. The field table of
// Meta's page calls the expiry "expiration", its sample "expiration_time".
type permissionAnswer struct {
	Permission struct {
		Status         provider.Scalar `json:"status"`
		Expiration     provider.Scalar `json:"expiration"`
		ExpirationTime provider.Scalar `json:"expiration_time"`
	} `json:"permission"`
	Actions []struct {
		Name   string          `json:"action_name"`
		Can    provider.Scalar `json:"can_perform_action"`
		Limits []struct {
			Period string          `json:"time_period"`
			Max    provider.Scalar `json:"max_allowed"`
			Used   provider.Scalar `json:"current_usage"`
			Resets provider.Scalar `json:"limit_expiration_time"`
		} `json:"limits"`
	} `json:"actions"`
}

// ReadPermission implements provider.PermissionReader. A user who cannot be
// called at all reads as permissions.StatusNone.
func (a *Account) ReadPermission(ctx context.Context, user permissions.User) (provider.PermissionState, error) {
	whom, err := address(string(user))
	if err != nil {
		return provider.PermissionState{}, err
	}
	query := url.Values{}
	if whom.To != "" {
		query.Set("user_wa_id", whom.To)
	} else {
		query.Set("recipient", whom.Recipient)
	}
	const edge = "call_permissions"
	answer, err := a.api.Get(ctx, a.path+"/"+edge+"?"+query.Encode())
	if err != nil {
		return provider.PermissionState{}, fmt.Errorf("meta: %s: %w", edge, err)
	}
	var said permissionAnswer
	if err := a.read(answer, edge, &said); err != nil {
		return provider.PermissionState{}, err
	}
	return said.state()
}

// state refuses a status that is not known and an expiry that cannot be read:
// both would make a permission out of nothing.
func (p *permissionAnswer) state() (provider.PermissionState, error) {
	var s provider.PermissionState
	switch status := permissions.Status(p.Permission.Status.Lower()); status {
	case permissions.StatusNone, permissions.StatusTemporary, permissions.StatusPermanent:
		s.Status = status
	default:
		return s, fmt.Errorf("meta: call_permissions: %w: status", provider.ErrAnswer)
	}
	if expiry := firstOf(p.Permission.ExpirationTime, p.Permission.Expiration); expiry != "" {
		at, err := expiry.Time()
		if err != nil && s.Status == permissions.StatusTemporary {
			return provider.PermissionState{}, fmt.Errorf("meta: call_permissions: %w: expiration", provider.ErrAnswer)
		}
		s.Expires = at
	}
	for _, a := range p.Actions {
		can, err := a.Can.Bool()
		action := provider.Action{Name: a.Name, Can: can && err == nil}
		for _, l := range a.Limits {
			action.Limits = append(action.Limits, provider.NewLimit(l.Period, l.Max, l.Used, l.Resets))
		}
		s.Actions = append(s.Actions, action)
	}
	return s, nil
}
