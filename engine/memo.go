package engine

// memo keeps what was found of relations of objects: a handful in most questions, which are looked
// through one by one; an index finds them once they are more.
type memo struct {
	entries []memoEntry
	index   map[ground]int32 // of all entries once they are more than fewEntries
}

type memoEntry struct {
	ground
	found
	known bool   // found says something
	item  uint32 // which question of a batch has found it
	// flood is the number of the last flood that came by; see there.
	flood uint32
}

// found is the value of a relation of an object.
type found struct {
	level level
	// depth is where the value was found. A maybe may have come of the depth limit and is found again
	// nearer to the question; yes and no hold everywhere.
	depth int
	// rank grows with each value found. What made a value yes has a lower rank than it.
	rank int
	// height is no less than how much deeper than depth the search for it has come.
	height int
}

const (
	fewEntries = 12
	// maxPooledEntries bounds the memory that is kept from one question for the next.
	maxPooledEntries = 1024
)

// find returns the entry for g, or nil. It is valid until the next one is entered.
func (m *memo) find(g ground) *memoEntry {
	if len(m.entries) > fewEntries {
		if i, ok := m.index[g]; ok {
			return &m.entries[i]
		}
		return nil
	}
	for i := len(m.entries) - 1; i >= 0; i-- {
		if e := &m.entries[i]; e.n == g.n && e.id == g.id {
			return e
		}
	}
	return nil
}

// enter returns the entry for g, a new one where there is none.
func (m *memo) enter(g ground) *memoEntry {
	if e := m.find(g); e != nil {
		return e
	}
	at := len(m.entries)
	m.entries = append(m.entries, memoEntry{ground: g})
	switch {
	case at > fewEntries:
		m.index[g] = int32(at)
	case at == fewEntries:
		if m.index == nil {
			m.index = make(map[ground]int32, 4*fewEntries)
		}
		for i := range m.entries {
			m.index[m.entries[i].ground] = int32(i)
		}
	}
	return &m.entries[at]
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
	clear(m.entries)
	m.entries = m.entries[:0]
	clear(m.index)
}
