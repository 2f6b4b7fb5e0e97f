package record

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// dieEnv names the folder in which the test binary records until it is killed.
const dieEnv = "RECORD_UNTIL_KILLED"

func TestMain(m *testing.M) {
	if dir := os.Getenv(dieEnv); dir != "" {
		recordUntilKilled(dir)
	}
	goleak.VerifyTestMain(m)
}

func recordUntilKilled(dir string) {
	r, err := New(Config{Dir: dir, CallID: "killed", User: Opus, Agent: PCMU})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:forbidigo // the main of a process of its own
	}
	go r.Run(context.Background())
	for seq := uint16(0); ; seq++ {
		r.Tap(User, []byte{0xF8, 0xFF, 0xFE}, seq, uint32(seq)*960)
		r.Tap(Agent, make([]byte, 160), seq, uint32(seq)*160)
		time.Sleep(2 * time.Millisecond)
	}
}
