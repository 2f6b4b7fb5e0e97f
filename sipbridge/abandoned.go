package sipbridge

// Abandon names calls that an earlier process left open, by our ids, before Run.
// The provider may still ring or hold them, and nobody is there to talk: at the
// first sign of life within ten minutes each is terminated.
func (b *Bridge) Abandon(ids ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, id := range ids {
		b.marks.lose(id)
	}
}
