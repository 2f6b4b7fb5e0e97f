package compliance

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/callctl/callctl/compliance/audit"
)

const summaryTime = "2006-01-02 15:04:05.000 UTC"

// The kinds of entry that the statements are about.
const (
	kindGranted   = "permission.granted"
	kindRevoked   = "permission.revoked"
	kindDeclined  = "permission.declined"
	kindDNCAdded  = "dnc.added"
	kindDNCLifted = "dnc.lifted"
	kindStopped   = "message.stopped"
	kindResumed   = "message.resumed"
	kindRequested = "permission.requested"
	kindAttempted = "call.attempted"
	kindRefused   = "decision.refused"
)

// explained says in a few words what a kind of entry means where its name does
// not, "" for the others.
func explained(kind string) string {
	switch kind {
	case "permission.willing":
		return "tapped a button such as Allow calls; grants nothing"
	case "permission.read_back":
		return "the provider was asked what the person permits"
	case "permission.expired":
		return "a grant ended by its time"
	case "permission.expiring":
		return "a grant is about to end"
	case "approval.proposed":
		return "a change that a second person has to approve"
	case "approval.approved":
		return "a second person approved the change"
	case "approval.rejected":
		return "a second person rejected the change"
	case "call.reported":
		return "the provider's word on how a call ended"
	case "message.delivery":
		return "the provider's word on a message to the person"
	case kindStopped:
		return "no messages wanted; calls are not concerned"
	case kindResumed:
		return "messages wanted again; calls are not concerned"
	case kindLate:
		return "the opt-out was not confirmed: too long ago"
	case "subject.id_changed":
		return "the platform gave the person another address"
	case "subject.located":
		return "the person's own time zone"
	}
	return ""
}

// summaryText is summary.txt: the statements and then the story. It is a pure
// function of the pack's other files, so that a reader can demand the same text.
func summaryText(m manifest, cp audit.Checkpoint, entries []packEntry) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Evidence about %s\n\n", m.User)
	fmt.Fprintf(&b, "Export %s, asked for by %s on %s.\n", m.Export, m.Actor, m.CreatedAt.UTC().Format(summaryTime))
	fmt.Fprintf(&b, "Log %s, checkpoint of %d entries", cp.Origin, cp.Size)
	if !cp.Time.IsZero() {
		fmt.Fprintf(&b, " signed on %s", cp.Time.UTC().Format(summaryTime))
	}
	fmt.Fprintf(&b, ".\n%d entries about this person, complete up to the export.\n\n", len(entries))
	for _, s := range statements(entries) {
		b.WriteString(s + "\n")
	}
	b.WriteString("\nThe story\n\n")
	for _, e := range entries {
		fmt.Fprintf(&b, "%8d  %s  %s%s\n", e.Index, e.Time.UTC().Format(summaryTime), e.Kind, detail(e))
	}
	return b.String()
}

// detailed are the fields of payloads that the story shows, by names that many
// payloads share.
type detailed struct {
	Action     string    `json:"action"`
	Allow      *bool     `json:"allow"`
	Kind       string    `json:"kind"`
	Reason     string    `json:"reason"`
	Scope      string    `json:"scope"`
	Brand      string    `json:"brand"`
	Purpose    string    `json:"purpose"`
	Channels   string    `json:"channels"`
	Category   string    `json:"category"`
	Outcome    string    `json:"outcome"`
	Delivery   string    `json:"delivery"`
	Code       int       `json:"code"`
	Inbound    bool      `json:"inbound"`
	Review     bool      `json:"review"`
	CallID     string    `json:"callId"`
	Zone       string    `json:"zone"`
	Auth       string    `json:"auth"`
	Actor      string    `json:"actor"`
	Permanent  bool      `json:"permanent"`
	Expires    time.Time `json:"expires"`
	Approval   string    `json:"approval"`
	ProposedBy string    `json:"proposedBy"`
	DecidedBy  string    `json:"decidedBy"`
	Provided   *struct {
		Status  string    `json:"status"`
		Expires time.Time `json:"expiresAt"`
	} `json:"provided"`
	After *struct {
		Status string `json:"status"`
	} `json:"after"`
	Word       string    `json:"optOutWord"`
	RetryAfter time.Time `json:"retryAfter"`
	ID         string    `json:"id"`
}

// detail is what the story says of an entry behind its kind.
func detail(e packEntry) string {
	if e.Payload == nil {
		return "  (erased)"
	}
	var p detailed
	if json.Unmarshal(e.Payload, &p) != nil {
		return ""
	}
	var b strings.Builder
	word := func(name, v string) {
		if v = oneLine(v); v != "" {
			fmt.Fprintf(&b, "  %s=%s", name, v)
		}
	}
	if words := explained(e.Kind); words != "" {
		b.WriteString("  (" + words + ")")
	}
	word("action", p.Action)
	if p.Allow != nil {
		word("allow", strconv.FormatBool(*p.Allow))
	}
	if strings.HasPrefix(e.Kind, "approval.") {
		word("change", p.Kind)
		word("proposed-by", p.ProposedBy)
		word("decided-by", p.DecidedBy)
	}
	word("reason", p.Reason)
	word("scope", p.Scope)
	word("brand", p.Brand)
	word("purpose", p.Purpose)
	word("channels", p.Channels)
	word("category", p.Category)
	word("outcome", p.Outcome)
	p.contact(word)
	p.standing(word)
	word("auth", p.Auth)
	word("actor", p.Actor)
	word("approval", p.Approval)
	word("words", p.Word)
	word("id", p.ID)
	return b.String()
}

// contact is the part about calls and messages.
func (p *detailed) contact(word func(name, v string)) {
	word("delivery", p.Delivery)
	if p.Code != 0 {
		word("code", strconv.Itoa(p.Code))
	}
	if p.Inbound {
		word("direction", "inbound")
	}
	if p.Review {
		word("review", "a person should read it")
	}
	word("call", p.CallID)
	word("zone", p.Zone)
	word("not-before", instant(p.RetryAfter))
}

// standing is the part about what is permitted and until when.
func (p *detailed) standing(word func(name, v string)) {
	if p.Provided != nil {
		word("provider-says", p.Provided.Status)
		word("until", instant(p.Provided.Expires))
	}
	if p.Permanent {
		word("expires", "never")
	} else {
		word("expires", instant(p.Expires))
	}
	if p.After != nil {
		word("then", p.After.Status)
	}
}

func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// oneLine is a text on one line, without what could steer a terminal.
func oneLine(text string) string {
	return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, text)), " ")
}
