package eightx8

import (
	"encoding/json"
	"strings"

	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/provider"
)

// message reads a message of our channel. What the user wrote, tapped or put under
// a picture is Messaged; only a callPermissionReply can grant, never a button's
// title, whatever it says.
func (d *decoder) message(fact permissions.Event, m inbound, raw json.RawMessage) {
	switch kind := m.Type.Lower(); kind {
	case "interactive":
		d.interactive(fact, m, raw)
	case "button", "buttons":
		d.Tapped(fact, m.Content.Text, m.Content.Payload)
	case "text":
		d.Wrote(fact, m.Content.Text)
	default:
		text := written(m.Content)
		if text == "" && !silent(kind) {
			text = provider.Words(contentOf(raw).Object(kind))
		}
		if text != "" {
			d.Wrote(fact, text)
		}
		if !silent(kind) {
			d.Missing("type", kind)
		}
	}
}

// written is what the user typed, in whatever kind of message.
func written(c content) provider.Scalar {
	return firstOf(c.Text, c.Caption, c.Image.Caption, c.Image.Text, c.Video.Caption, c.Video.Text,
		c.File.Caption, c.File.Text, c.Document.Caption, c.Document.Text, c.Audio.Caption, c.Audio.Text)
}

// silent tells whether messages of a kind are known and say nothing that bears on
// permission, beside what the user wrote to them. "None", which 8x8 gives to what
// it cannot relay, is not among them.
func silent(kind string) bool {
	switch kind {
	case "image", "video", "audio", "voice", "file", "document", "sticker", "location", "contacts", "contact",
		"reaction", "order", "carousel", "list", "template":
		return true
	}
	return false
}

// contentOf are the members of a payload's content.
func contentOf(raw json.RawMessage) provider.Members {
	payload, _ := provider.ReadMembers(raw)
	return payload.Object("content")
}

// interactive reads a tap.
func (d *decoder) interactive(fact permissions.Event, m inbound, raw json.RawMessage) {
	tapped := m.Content.Interactive
	switch strings.ReplaceAll(tapped.Type.Lower(), "_", "") {
	case "callpermissionreply":
		d.reply(fact, m)
	case "buttonreply":
		d.Tapped(fact, firstOf(tapped.ButtonReply.Title, tapped.ButtonReplyCase.Title),
			firstOf(tapped.ButtonReply.ID, tapped.ButtonReplyCase.ID))
	case "listreply":
		d.Tapped(fact, firstOf(tapped.ListReply.Title, tapped.ListReplyCase.Title),
			firstOf(tapped.ListReply.ID, tapped.ListReplyCase.ID))
	case "nfmreply":
		// The answer to a Flow: fields of the business's own form.
	default:
		d.Missing("interactive", string(tapped.Type))
		if text := firstOf(provider.Words(contentOf(raw).Object("interactive").Object(string(tapped.Type))), written(m.Content)); text != "" {
			d.Wrote(fact, text)
		} else if replied(m).Response.Is("reject") {
			d.reply(fact, m)
		}
	}
}

// replied is the call permission reply, in whichever spelling.
func replied(m inbound) permissionReply {
	if r := m.Content.Interactive.PermissionReply; r != (permissionReply{}) {
		return r
	}
	return permissionReply(m.Content.Interactive.PermissionSnake)
}

// reply reads a call permission reply (8x8, inbound messages). 8x8 forwards only
// what the user did: automatic grants and revocations are read back.
func (d *decoder) reply(fact permissions.Event, m inbound) {
	r := replied(m)
	d.Reply(fact, provider.Reply{
		Name: "callPermissionReply", ID: m.Umid, At: m.Timestamp,
		Response: r.Response, Permanent: r.IsPermanent, Expires: r.ExpirationTimestamp, Source: r.ResponseSource,
	})
}
