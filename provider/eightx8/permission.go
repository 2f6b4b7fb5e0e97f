package eightx8

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"

	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/provider"
)

var _ provider.PermissionReader = (*Account)(nil)

// notGranted is 8x8's word for what Meta calls no_permission.
const notGranted = "not_granted"

// permissionAnswer is the answer of callPermissions.
type permissionAnswer struct {
	Status         provider.Scalar `json:"status"`
	ExpirationTime provider.Scalar `json:"expirationTime"`
	Actions        []struct {
		Name   string          `json:"actionName"`
		Can    provider.Scalar `json:"canPerformAction"`
		Limits []struct {
			Period string          `json:"timePeriod"`
			Max    provider.Scalar `json:"maxAllowed"`
			Used   provider.Scalar `json:"currentUsage"`
			Resets provider.Scalar `json:"limitExpirationTime"`
		} `json:"limits"`
	} `json:"actions"`
}

// ReadPermission implements provider.PermissionReader. It is the only way to
// learn of automatic grants and revocations, for which 8x8 sends no webhook.
func (a *Account) ReadPermission(ctx context.Context, user permissions.User) (provider.PermissionState, error) {
	whom, ok := provider.ParseUser(string(user))
	if !ok {
		return provider.PermissionState{}, fmt.Errorf("8x8: %w: the user is no phone number and no BSUID", provider.ErrRequest)
	}
	answer, err := a.api.Get(ctx, "/api/v1/whatsapp/subaccounts/"+url.PathEscape(a.cfg.SubAccount)+
		"/channels/"+url.PathEscape(a.cfg.Channel)+"/callPermissions?"+url.Values{"destination": {string(whom)}}.Encode())
	if err != nil {
		return provider.PermissionState{}, fmt.Errorf("8x8: callPermissions: %w", err)
	}
	if !answer.OK() {
		return provider.PermissionState{}, a.refusal(answer)
	}
	var said permissionAnswer
	if !json.Valid(answer.Body) || provider.Unmarshal(answer.Body, &said) != nil {
		return provider.PermissionState{}, fmt.Errorf("8x8: callPermissions: %w", provider.ErrAnswer)
	}
	return said.state()
}

// state refuses a status that is not known and an expiry that cannot be read:
// both would make a permission out of nothing.
func (p *permissionAnswer) state() (provider.PermissionState, error) {
	var s provider.PermissionState
	switch p.Status.Lower() {
	case notGranted, string(permissions.StatusNone):
		s.Status = permissions.StatusNone
	case string(permissions.StatusTemporary):
		s.Status = permissions.StatusTemporary
	case string(permissions.StatusPermanent):
		s.Status = permissions.StatusPermanent
	default:
		return s, fmt.Errorf("8x8: callPermissions: %w: status", provider.ErrAnswer)
	}
	if p.ExpirationTime != "" {
		at, err := p.ExpirationTime.Time()
		if err != nil && s.Status == permissions.StatusTemporary {
			return provider.PermissionState{}, fmt.Errorf("8x8: callPermissions: %w: expirationTime", provider.ErrAnswer)
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
