package provider

import (
	"context"

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

// What a provider's API says, in the ledger's types.
type (
	// PermissionState is the state of a permission.
	PermissionState = permissions.ProviderState
	// Action is something that the provider lets the business do or not.
	Action = permissions.ProviderAction
	// Limit is how often an action may be done in a period.
	Limit = permissions.ProviderLimit
)

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
