package audit

import "time"

// ShareFor lets a transaction take in writers for as long as d.
func (l *Log) ShareFor(d time.Duration) { l.batchTime = d }

// Waiting is how many writers wait for their turn.
func (l *Log) Waiting() int { return l.turns.waiting() }

func (t *turns) waiting() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ahead.Len() + t.line.Len()
}
