package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/sipbridge"
)

// TestEnds: a revocation ends the live calls that it reaches, and no others.
func TestEnds(t *testing.T) {
	const (
		here, sister = "+6531234567", "+6531234569"
		ann, annID   = "+6591234567", "SG.13491208655302741918"
	)
	ringing := sipbridge.LiveCall{Direction: sipbridge.BusinessInitiated, User: annID, Business: here, Purpose: "sales"}
	with := func(edit func(*sipbridge.LiveCall)) sipbridge.LiveCall {
		c := ringing
		edit(&c)
		return c
	}
	calls := map[string]sipbridge.LiveCall{
		"ringing":  ringing,
		"answered": with(func(c *sipbridge.LiveCall) { c.AnsweredAt = time.Now() }),
		"inbound":  with(func(c *sipbridge.LiveCall) { c.Direction, c.Purpose = sipbridge.UserInitiated, "" }),
		"delivery": with(func(c *sipbridge.LiveCall) { c.Purpose = "delivery" }),
		"sister":   with(func(c *sipbridge.LiveCall) { c.Business = sister }),
		"bob":      with(func(c *sipbridge.LiveCall) { c.User = "+6598765432" }),
	}
	for name, tt := range map[string]struct {
		revocation permissions.Revocation
		ends       []string
	}{
		"withdrawn":  {permissions.Revocation{}, []string{"ringing", "delivery"}},
		"opt-out":    {permissions.Revocation{DoNotCall: true, Scope: permissions.ScopeAll}, []string{"ringing", "answered", "inbound", "delivery", "sister"}},
		"of a brand": {permissions.Revocation{DoNotCall: true, Scope: permissions.ScopeBrand}, []string{"ringing", "answered", "inbound", "delivery"}},
		"of a purpose": {
			permissions.Revocation{DoNotCall: true, Scope: permissions.ScopePurpose, Purpose: "Sales"},
			[]string{"ringing", "answered", "inbound"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			tt.revocation.Pair = permissions.Pair{Business: here, User: ann}
			tt.revocation.Addresses = []permissions.User{ann, annID}
			var ended []string
			for call, c := range calls {
				if ends(tt.revocation, c) {
					ended = append(ended, call)
				}
			}
			require.ElementsMatch(t, tt.ends, ended)
		})
	}
}
