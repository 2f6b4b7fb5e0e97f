package provider

import (
	"regexp"
	"strings"
	"time"
)

// instant is a time within a sentence: ISO 8601 with a zone, or seconds or
// milliseconds since 1970, of 2017 to 2033: ten digits that begin otherwise can be a
// phone number.
var instant = regexp.MustCompile(`\b(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)|1[5-9]\d{8}(?:\d{3})?)\b`)

// AllowedAgain is the time from which a provider takes a refused request again, as
// the details of its refusal tell it (Meta, error 138012: error_data carries the
// next allowed time); zero when they do not. Meta does not say what the member is
// called, so any whose name speaks of it counts, and else a time in the sentence.
// The latest counts.
func AllowedAgain(details Members) time.Time {
	var latest time.Time
	for key := range details {
		if !strings.Contains(key, "allowed") && !strings.Contains(key, "next") &&
			!strings.Contains(key, "expiration") && !strings.Contains(key, "retry") {
			continue
		}
		if at, err := details.Scalar(key).Time(); err == nil && at.Year() >= 2015 && at.After(latest) {
			latest = at
		}
	}
	if latest.IsZero() {
		found := instant.FindString(string(details.Scalar("details")))
		latest, _ = Scalar(found).Time()
	}
	return latest
}
