package compliance

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

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
	kindAttempted = "call.attempted"
	kindRefused   = "decision.refused"
)

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

// detail is a few words from the payload, by names that many payloads share.
func detail(e packEntry) string {
	if e.Payload == nil {
		return "  (erased)"
	}
	var p struct {
		Action    string    `json:"action"`
		Allow     *bool     `json:"allow"`
		Reason    string    `json:"reason"`
		Outcome   string    `json:"outcome"`
		CallID    string    `json:"callId"`
		Auth      string    `json:"auth"`
		Actor     string    `json:"actor"`
		Permanent bool      `json:"permanent"`
		Expires   time.Time `json:"expires"`
		ID        string    `json:"id"`
	}
	if json.Unmarshal(e.Payload, &p) != nil {
		return ""
	}
	var b strings.Builder
	word := func(name, v string) {
		if v != "" {
			fmt.Fprintf(&b, "  %s=%s", name, strings.Join(strings.Fields(v), " "))
		}
	}
	word("action", p.Action)
	if p.Allow != nil {
		word("allow", strconv.FormatBool(*p.Allow))
	}
	word("reason", p.Reason)
	word("outcome", p.Outcome)
	word("call", p.CallID)
	if p.Permanent {
		word("expires", "never")
	} else if !p.Expires.IsZero() {
		word("expires", p.Expires.UTC().Format(time.RFC3339))
	}
	word("auth", p.Auth)
	word("actor", p.Actor)
	word("id", p.ID)
	return b.String()
}
