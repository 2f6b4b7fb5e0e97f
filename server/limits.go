package server

import (
	"fmt"
	"strconv"
	"time"

	"github.com/callctl/callctl/permissions"
)

// limits reads the limits out of a decision's rules: those whose inputs say how
// much is allowed and how much is used.
func limits(rules []permissions.Rule) []Limit {
	var out []Limit
	for _, r := range rules {
		most, err := strconv.Atoi(r.Inputs["max"])
		if err != nil {
			continue
		}
		used, err := strconv.Atoi(r.Inputs["used"])
		if err != nil {
			continue
		}
		l := Limit{Rule: r.Name, Period: isoPeriod(r.Inputs["period"]), Max: most, Used: used}
		if !r.Allow {
			l.ResetsAt = utc(r.RetryAt)
		}
		out = append(out, l)
	}
	return out
}

// isoPeriod writes a Go duration as the providers write periods: PT24H for a day,
// P7D for a week, PT90M for what is no whole hour.
func isoPeriod(s string) string {
	const day = 24 * time.Hour
	d, err := time.ParseDuration(s)
	switch {
	case err != nil:
		return s
	case d > day && d%day == 0:
		return fmt.Sprintf("P%dD", d/day)
	case d%time.Hour == 0:
		return fmt.Sprintf("PT%dH", d/time.Hour)
	case d%time.Minute == 0:
		return fmt.Sprintf("PT%dM", d/time.Minute)
	}
	return fmt.Sprintf("PT%dS", d/time.Second)
}
