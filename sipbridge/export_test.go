package sipbridge

import "time"

// GiveUpAfter shortens 64*T1, how long a peer may leave us without answer.
func GiveUpAfter(d time.Duration) func(*Config) {
	return func(cfg *Config) { cfg.giveUp = d }
}
