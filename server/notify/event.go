package notify

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/callctl/callctl/compliance/audit"
)

// event is an entry of the audit log as a CloudEvents 1.0 event in the JSON
// format.
type event struct {
	SpecVersion     string          `json:"specversion"`
	ID              string          `json:"id"`                // the audit index
	Source          string          `json:"source"`            // the log's origin
	Type            string          `json:"type"`              // "callctl." and the audit kind
	Subject         string          `json:"subject,omitempty"` // opaque id of the person concerned
	Time            time.Time       `json:"time"`
	DataContentType string          `json:"datacontenttype,omitempty"`
	Data            json.RawMessage `json:"data,omitempty"` // absent once erased
}

const (
	eventType   = "callctl."
	contentType = "application/cloudevents+json"
)

// eventID is the event's id and its webhook-id: the same at every try.
func eventID(e audit.Entry) string { return strconv.FormatInt(e.Index, 10) }

func encode(origin string, e audit.Entry) ([]byte, error) {
	out := event{
		SpecVersion: "1.0", ID: eventID(e), Source: origin, Type: eventType + e.Kind, Subject: e.Subject,
		Time: e.Time.UTC(), Data: e.Payload,
	}
	if e.Payload != nil {
		out.DataContentType = "application/json"
	}
	b, err := json.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("event %d: %w", e.Index, err)
	}
	return b, nil
}
