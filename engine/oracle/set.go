package oracle

import "slices"

// set is a set of subject numbers, one bit each. All sets of a program have the same length.
type set []uint64

func newSet(size int) set { return make(set, (size+63)/64) }

func (s set) add(n int)      { s[n/64] |= 1 << (n % 64) }
func (s set) has(n int) bool { return s[n/64]&(1<<(n%64)) != 0 }

func (s set) equal(t set) bool { return slices.Equal(s, t) }

// addAll adds what is in t and reports whether s grew.
func (s set) addAll(t set) bool {
	grew := false
	for i := range s {
		grew = grew || t[i]&^s[i] != 0
		s[i] |= t[i]
	}
	return grew
}

// keep removes what is not in t.
func (s set) keep(t set) {
	for i := range s {
		s[i] &= t[i]
	}
}

// remove removes what is in t.
func (s set) remove(t set) {
	for i := range s {
		s[i] &^= t[i]
	}
}
