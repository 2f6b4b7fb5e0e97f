package server

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestJudge(t *testing.T) {
	for name, c := range map[string]struct {
		unknown []string
		state   deliveryState
		problem string
	}{
		"all understood":  {nil, stateStored, ""},
		"a new field":     {[]string{"field:flows"}, stateUnknown, ""},
		"a part unread":   {[]string{"malformed:message.timestamp"}, stateQuarantined, "could not be read: message.timestamp"},
		"both":            {[]string{"type:reaction", "malformed:a", "malformed:b"}, stateQuarantined, "could not be read: a, b"},
		"a number in it":  {[]string{"malformed:6591234567"}, stateQuarantined, "could not be read: …"},
		"not that prefix": {[]string{"type:malformed"}, stateUnknown, ""},
	} {
		t.Run(name, func(t *testing.T) {
			d := delivery{state: stateMalformed, problem: "before"}
			d.judge(c.unknown)
			require.Equal(t, c.state, d.state)
			require.Equal(t, c.problem, d.problem)
		})
	}
}
