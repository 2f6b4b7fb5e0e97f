package permissions

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	flag.Parse()
	// A hundred histories, rapid's default, miss the rare ones.
	if f := flag.Lookup("rapid.checks"); f != nil && f.Value.String() == f.DefValue {
		_ = f.Value.Set(histories)
	}
	goleak.VerifyTestMain(m)
}
