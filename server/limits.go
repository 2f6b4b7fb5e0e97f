package server

import (
	"strconv"

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
		l := Limit{Rule: r.Name, Period: r.Inputs["period"], Max: most, Used: used}
		if !r.Allow {
			l.ResetsAt = utc(r.RetryAt)
		}
		out = append(out, l)
	}
	return out
}
