package story

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestInOrder(t *testing.T) {
	sent := [][]byte{{1}, {2}, {3}, {4}}
	silence := []byte(opusSilence)
	for _, c := range []struct {
		name string
		got  [][]byte
		want run
		ok   bool
	}{
		{"all", sent, run{frames: 4}, true},
		{"a run that begins late", [][]byte{{3}, {4}}, run{frames: 2}, true},
		{"silence before and between", [][]byte{silence, {1}, silence, {2}}, run{frames: 2, filler: 2}, true},
		{"nothing", nil, run{}, true},
		{"one missing", [][]byte{{1}, {3}}, run{frames: 1}, false},
		{"one twice", [][]byte{{1}, {1}}, run{frames: 1}, false},
		{"swapped", [][]byte{{2}, {1}}, run{frames: 1}, false},
		{"altered", [][]byte{{1}, {9}}, run{frames: 1}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := inOrder(sent, c.got)
			require.Equal(t, c.ok, err == nil, err)
			require.Equal(t, c.want, got)
		})
	}
}
