package geo

import "sync"

// maxParsed bounds the texts whose number is remembered.
const maxParsed = 4096

// parsed remembers what [Parse] made of a text. One delivery has its number read
// by the decoder, the ledger and the gate, within the transaction of the only
// writer, and the tables of all numbering plans take 15 µs each time.
var parsed memo //nolint:gochecknoglobals // the answers of a pure function

// memo is safe for concurrent use. It forgets everything when it is full.
type memo struct {
	mu     sync.Mutex
	number map[string]E164
}

func (m *memo) of(s string) (E164, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, ok := m.number[s]
	return n, ok
}

// keep remembers the number of a text, and that the number is its own.
func (m *memo) keep(s string, n E164) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.number == nil || len(m.number) >= maxParsed {
		m.number = make(map[string]E164, maxParsed)
	}
	m.number[s], m.number[string(n)] = n, n
}
