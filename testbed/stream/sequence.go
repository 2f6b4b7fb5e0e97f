package stream

// sequence follows the sequence numbers of one SSRC over their wrap (RFC 3550
// appendix A.1).
type sequence struct {
	seen       [1 << 16 / 64]uint64 // by sequence number, of the last half round
	highest    uint16
	expected   int
	unique     int
	reordered  int
	duplicates int
}

func newSequence(first uint16) *sequence { return &sequence{highest: first - 1} }

func (s *sequence) take(number uint16) {
	ahead := number - s.highest
	if ahead == 0 || ahead >= 1<<15 {
		if s.has(number) {
			s.duplicates++
			return
		}
		s.reordered++
		if s.expected <= int(-ahead) { // older than the first one: it was expected all the same
			s.expected++
		}
	} else {
		for n := s.highest + 1; n != number+1; n++ {
			s.seen[n/64] &^= 1 << (n % 64)
		}
		s.expected += int(ahead)
		s.highest = number
	}
	s.unique++
	s.seen[number/64] |= 1 << (number % 64)
}

func (s *sequence) has(number uint16) bool { return s.seen[number/64]&(1<<(number%64)) != 0 }

func (s *sequence) lost() int { return s.expected - s.unique }
