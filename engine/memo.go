package engine

import "hash/maphash"

// memo keeps what was found of relations of objects: a handful in most questions, which are looked
// through one by one; a table of hashes finds them once they are more.
type memo struct {
	entries []memoEntry
	signs   [fewEntries]uint64 // of the first entries, see ground.sign
	table   []int32            // by hash, once entries are more than fewEntries: a place among them and one, or zero
}

type memoEntry struct {
	ground
	found
	known bool   // found says something
	item  uint32 // which question of a batch has found it
	hash  uint32 // where there is a table
	// flood is the number of the last flood that came by; see there.
	flood uint32
}

// found is the value of a relation of an object.
type found struct {
	// depth is where the value was found. A maybe may have come of the depth limit and is found again
	// nearer to the question; yes and no hold everywhere.
	depth int32
	// height is no less than how much deeper than depth the search for it has come.
	height int32
	// rank grows with each value found. What made a value yes has a lower rank than it.
	rank  int
	level level
}

const (
	fewEntries = 16
	// maxPooledEntries bounds the memory that is kept from one question for the next.
	maxPooledEntries = 1024
)

// find returns the entry for g, or nil. It is valid until the next one is entered.
func (m *memo) find(g ground) *memoEntry {
	if len(m.entries) > fewEntries {
		e, _ := m.lookUp(g, g.hash())
		return e
	}
	return m.findFew(g, g.sign())
}

// findFew is find while there is no table.
func (m *memo) findFew(g ground, sign uint64) *memoEntry {
	for i := len(m.entries) - 1; i >= 0; i-- {
		if m.signs[i] != sign {
			continue
		}
		if e := &m.entries[i]; e.n == g.n && e.id == g.id {
			return e
		}
	}
	return nil
}

// sign is a number by which few relations of objects mostly differ: the end of the id, in which ids that are
// counted differ, and the relation. It costs less than a hash.
func (g ground) sign() uint64 {
	sign, id := uint64(0), g.id
	for i := max(len(id)-8, 0); i < len(id); i++ {
		sign = sign<<8 | uint64(id[i])
	}
	return sign ^ uint64(g.n.rel.index)*0x9e3779b97f4a7c15
}

func (g ground) hash() uint32 {
	return uint32(maphash.String(textSeed, g.id)) ^ uint32(g.n.rel.index)*0x9e3779b1
}

// lookUp returns the entry for g, or nil and where in the table it belongs.
func (m *memo) lookUp(g ground, hash uint32) (*memoEntry, uint32) {
	mask := uint32(len(m.table) - 1)
	at := hash & mask
	for ; m.table[at] != 0; at = (at + 1) & mask {
		if e := &m.entries[m.table[at]-1]; e.hash == hash && e.n == g.n && e.id == g.id {
			return e, at
		}
	}
	return nil, at
}

// enter returns the entry for g, a new one where there is none.
func (m *memo) enter(g ground) *memoEntry {
	if n := len(m.entries); n <= fewEntries {
		sign := g.sign()
		if e := m.findFew(g, sign); e != nil {
			return e
		}
		if n < fewEntries {
			m.signs[n] = sign
			m.entries = append(m.entries, memoEntry{ground: g})
			return &m.entries[n]
		}
		m.rebuild()
	} else if 2*len(m.entries) >= len(m.table) {
		m.rebuild()
	}
	hash := g.hash()
	e, at := m.lookUp(g, hash)
	if e != nil {
		return e
	}
	m.entries = append(m.entries, memoEntry{ground: g, hash: hash})
	m.table[at] = int32(len(m.entries))
	return &m.entries[len(m.entries)-1]
}

// rebuild makes the table, with room for as many entries again.
func (m *memo) rebuild() {
	size := max(len(m.table), 4*fewEntries)
	for size < 4*len(m.entries) {
		size *= 2
	}
	if size == len(m.table) {
		clear(m.table)
	} else {
		m.table = make([]int32, size)
	}
	mask := uint32(size - 1)
	for i := range m.entries {
		e := &m.entries[i]
		e.hash = e.ground.hash()
		at := e.hash & mask
		for m.table[at] != 0 {
			at = (at + 1) & mask
		}
		m.table[at] = int32(i + 1)
	}
}

// get returns what is known of g.
func (m *memo) get(g ground) (found, bool) {
	if e := m.find(g); e != nil && e.known {
		return e.found, true
	}
	return found{}, false
}

func (m *memo) reset() {
	if len(m.entries) > maxPooledEntries {
		*m = memo{}
		return
	}
	if len(m.entries) > fewEntries {
		clear(m.table)
	}
	clear(m.entries)
	m.entries = m.entries[:0]
}
