package provider

import (
	"encoding/json"
	"time"

	"github.com/callctl/callctl/permissions"
)

// marketing is the ledger's word for the platform's category "marketing_messages".
const marketing = "marketing"

// Preferences reads value.user_preferences of Meta's change, which 8x8 relays as
// it is: the user stops or resumes marketing messages in WhatsApp's own settings.
// It is no revocation of calls.
func (r *Reader) Preferences(value Members) {
	list, ok := value.List("user_preferences")
	if !ok || len(list) == 0 {
		r.Malformed("user_preferences")
		return
	}
	r.Each("user_preferences", list, func(raw json.RawMessage) {
		said, ok := ReadMembers(raw)
		if !ok {
			r.Malformed("user_preferences")
			return
		}
		at, err := said.Scalar("timestamp").Time()
		if err != nil && !said.Scalar("value").Is("stop") {
			r.Malformed("user_preferences.timestamp")
			return
		}
		if err != nil {
			at = r.Now().UTC()
		}
		user := said.Scalar("wa_id")
		if _, ok := ParseUser(string(user)); !ok {
			user = said.Scalar("user_id")
		}
		r.preference(r.ID("user_preferences", "sha256:"+r.Digest(raw)), at, user,
			said.Scalar("category").Lower(), said.Scalar("value"), said.Scalar("user_id"), said.Scalar("parent_user_id"))
	})
}

func (r *Reader) preference(id string, at time.Time, from Scalar, category string, value Scalar, aliases ...Scalar) {
	user, ok := ParseUser(string(from))
	if !ok {
		r.Malformed("user_preferences.user")
		return
	}
	if category != "marketing_messages" {
		r.Missing("preference", category)
		return
	}
	fact := permissions.Event{ID: id, At: at, Category: marketing, Pair: permissions.Pair{User: user}}
	for _, alias := range aliases {
		fact.Aliases = Aliases(user, append(texts(fact.Aliases), string(alias))...)
	}
	switch value.Lower() {
	case "stop":
		fact.Kind = permissions.MessagesStopped
	case "resume":
		fact.Kind = permissions.MessagesResumed
	default:
		r.Missing("preference", value.Lower())
		return
	}
	r.Fact(fact)
}

func texts(users []permissions.User) []string {
	all := make([]string, 0, len(users)+1)
	for _, u := range users {
		all = append(all, string(u))
	}
	return all
}
