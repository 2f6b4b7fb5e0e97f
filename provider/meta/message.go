package meta

import (
	"encoding/json"

	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/provider"
)

// message reads one element of value.messages. What the user wrote, tapped or put
// under a picture is Messaged; only a call_permission_reply can grant, never a
// button's title.
func (d *decoder) message(raw json.RawMessage, people contacts) {
	var m message
	if provider.Unmarshal(raw, &m) != nil || m.Type == "" {
		d.Malformed("message.type")
		if written(m) == "" {
			return
		}
	}
	kind := m.Type.Lower()
	if kind == "system" {
		d.system(m, raw)
		return
	}
	user, aliases, ok := d.user(people, m.From, m.FromUserID)
	if !ok {
		d.Malformed("message.from")
		return
	}
	fact := permissions.Event{
		ID: d.IDOr(string(m.ID), raw), Pair: permissions.Pair{User: user}, At: d.TimeOrNow(m.Timestamp),
		Aliases: mergeAliases(user, aliases, m.FromParentUserID), Ref: string(m.Context.ID),
	}
	switch kind {
	case "interactive":
		d.interactive(fact, m, raw)
	case "button":
		d.Tapped(fact, m.Button.Text, m.Button.Payload)
	case "text":
		d.Wrote(fact, m.Text.Body)
	case "edit":
		d.edit(fact, m)
	default:
		d.other(fact, kind, m, raw)
	}
}

// edit reads the new words of a message that the user changed.
func (d *decoder) edit(fact permissions.Event, m message) {
	var now message
	if len(m.Edit.Message) == 0 || provider.Unmarshal(m.Edit.Message, &now) != nil {
		d.Malformed("edit.message")
		return
	}
	if text := written(now); text != "" {
		d.Wrote(fact, text)
		return
	}
	if !silent(now.Type.Lower()) {
		d.Missing("type", now.Type.Lower())
	}
}

// other reads the kinds of message of which only the words count, if there are
// any: an opt-out is one under a picture as well.
func (d *decoder) other(fact permissions.Event, kind string, m message, raw json.RawMessage) {
	text := written(m)
	if text == "" && !silent(kind) {
		said, _ := provider.ReadMembers(raw)
		text = provider.Words(said.Object(kind))
	}
	if text != "" {
		d.Wrote(fact, text)
	}
	if kind != "" && !silent(kind) {
		d.Missing("type", kind)
	}
}

// written is what the user typed, in whatever kind of message.
func written(m message) provider.Scalar {
	return firstOf(m.Text.Body, m.Image.Caption, m.Video.Caption, m.Document.Caption, m.Audio.Caption, m.Order.Text, m.Button.Text)
}

// silent tells whether messages of a kind are known and say nothing that bears on
// permission, beside what the user wrote to them. A message that Meta calls
// unsupported or errors is not among them: nobody here can tell what it said.
func silent(kind string) bool {
	switch kind {
	case "image", "video", "document", "audio", "voice", "sticker", "location", "contacts",
		"reaction", "order", "revoke", "request_welcome", "referral":
		return true
	}
	return false
}

func (d *decoder) interactive(fact permissions.Event, m message, raw json.RawMessage) {
	switch kind := m.Interactive.Type.Lower(); kind {
	case "call_permission_reply":
		d.reply(fact, m)
	case "button_reply":
		d.Tapped(fact, m.Interactive.ButtonReply.Title, m.Interactive.ButtonReply.ID)
	case "list_reply":
		d.Tapped(fact, m.Interactive.ListReply.Title, m.Interactive.ListReply.ID)
	case "nfm_reply":
		// The answer to a Flow: fields of the business's own form.
	default:
		d.Missing("interactive", kind)
		said, _ := provider.ReadMembers(raw)
		if text := provider.Words(said.Object("interactive").Object(kind)); text != "" {
			d.Wrote(fact, text)
		} else if m.Interactive.Reply.Response.Is("reject") {
			d.reply(fact, m)
		}
	}
}

// system reads a message by WhatsApp itself: the user has another number or id.
func (d *decoder) system(m message, raw json.RawMessage) {
	said, ok := provider.ReadMembers(m.System)
	if !ok {
		d.Malformed("message.system")
		return
	}
	if !d.System(d.IDOr(string(m.ID), raw), d.TimeOrNow(m.Timestamp), m.From, m.FromUserID, said) {
		d.Missing("system", said.Scalar("type").Lower())
	}
}

func firstOf(values ...provider.Scalar) provider.Scalar {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

func mergeAliases(user permissions.User, aliases []permissions.User, more provider.Scalar) []permissions.User {
	all := make([]string, 0, len(aliases)+1)
	for _, alias := range aliases {
		all = append(all, string(alias))
	}
	return provider.Aliases(user, append(all, string(more))...)
}
