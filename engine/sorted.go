package engine

import (
	"cmp"
	"encoding/binary"
	"slices"
	"sync"
)

// sortKey stands for a text in sorting: eight bytes of it, behind what all texts have in common.
type sortKey struct {
	key  uint64
	text string
}

var sortRooms = sync.Pool{New: func() any { return new([]sortKey) }}

// sortTexts sorts texts without NUL, all different, bytewise. Ids mostly differ within a few bytes: those
// that do are sorted byte by byte, from the last to the first (radix sort), in time linear in the texts.
func sortTexts(texts []string) {
	if slices.IsSorted(texts) {
		return
	}
	if len(texts) < 48 {
		slices.Sort(texts)
		return
	}
	common := len(texts[0])
	for _, t := range texts[1:] {
		n := min(common, len(t))
		if t[:n] == texts[0][:n] {
			common = n
			continue
		}
		for common = 0; t[common] == texts[0][common]; {
			common++
		}
	}
	room := sortRooms.Get().(*[]sortKey)
	*room = slices.Grow((*room)[:0], 2*len(texts))[:2*len(texts)]
	defer func() {
		clear(*room)
		if cap(*room) > 32*maxPooledEntries {
			*room = nil
		}
		sortRooms.Put(room)
	}()
	keys, other := (*room)[:len(texts)], (*room)[len(texts):]
	differ, first := uint64(0), leadingBytes(texts[0][common:])
	for i, t := range texts {
		keys[i] = sortKey{leadingBytes(t[common:]), t}
		differ |= keys[i].key ^ first
	}
	for shift := 0; shift < 64; shift += 8 {
		if differ>>shift&0xff != 0 {
			sortByByte(keys, other, shift)
			keys, other = other, keys
		}
	}
	sortEqualKeys(keys)
	for i := range keys {
		texts[i] = keys[i].text
	}
}

// leadingBytes returns the first eight bytes of a text as a number that orders as they do.
func leadingBytes(t string) uint64 {
	var b [8]byte
	copy(b[:], t)
	return binary.BigEndian.Uint64(b[:])
}

// sortByByte sorts by one byte of the keys into another slice, and keeps the order of equal ones.
func sortByByte(from, to []sortKey, shift int) {
	var place [256]int
	for i := range from {
		place[byte(from[i].key>>shift)]++
	}
	sum := 0
	for b, n := range place {
		place[b] = sum
		sum += n
	}
	for i := range from {
		b := byte(from[i].key >> shift)
		to[place[b]] = from[i]
		place[b]++
	}
}

// sortEqualKeys sorts runs of equal keys by their texts.
func sortEqualKeys(keys []sortKey) {
	for i := 0; i < len(keys); {
		end := i + 1
		for end < len(keys) && keys[end].key == keys[i].key {
			end++
		}
		if end-i > 1 {
			slices.SortFunc(keys[i:end], func(a, b sortKey) int { return cmp.Compare(a.text, b.text) })
		}
		i = end
	}
}
