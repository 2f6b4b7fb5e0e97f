package meta

import (
	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/provider"
)

// reply reads a call permission reply in its six scenarios (Meta, call permission
// replies).
func (d *decoder) reply(fact permissions.Event, m message) {
	r := m.Interactive.Reply
	d.Reply(fact, provider.Reply{
		Name: "call_permission_reply", ID: m.ID, At: m.Timestamp,
		Response: r.Response, Permanent: r.IsPermanent, Expires: r.ExpirationTimestamp, Source: r.ResponseSource,
	})
}
