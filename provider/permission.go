package provider

import (
	"context"
	"time"

	"github.com/callctl/callctl/permissions"
)

// PermissionReader is a provider whose API tells the state of a permission. An
// unsigned grant is read back by it before the first dial that uses it.
type PermissionReader interface {
	// ReadPermission asks for the user's permission to the account's number. An
	// answer that is not understood is an error (ErrAnswer), never a permission;
	// refusals are *APIError. Nothing is repeated; providers bound the rate, Meta
	// to 5 questions a second.
	ReadPermission(ctx context.Context, user permissions.User) (PermissionState, error)
}

// PermissionState is what the provider's API says about a user and a number.
type PermissionState struct {
	Status  permissions.Status
	Expires time.Time // of a temporary permission; zero when the provider does not say
	Actions []Action
}

// Action is something that the provider lets the business do or not.
type Action struct {
	Name   string // the provider's word: send_call_permission_request, start_call
	Can    bool
	Limits []Limit
}

// Limit is how often an action may be done in a period.
type Limit struct {
	Period string // ISO 8601 duration, such as PT24H
	Max    int
	Used   int
	Resets time.Time // when the action may be done again; zero when the limit is not reached
}

// NewLimit reads a limit; what cannot be read is zero.
func NewLimit(period string, most, used, resets Scalar) Limit {
	limit := Limit{Period: period}
	if n, err := most.Int(); err == nil {
		limit.Max = int(n)
	}
	if n, err := used.Int(); err == nil {
		limit.Used = int(n)
	}
	if at, err := resets.Time(); err == nil {
		limit.Resets = at
	}
	return limit
}
