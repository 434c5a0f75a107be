package engine

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"
)

// sorting sorts texts, and keeps its memory for the next ones.
type sorting struct{ room []sortKey }

// sortKey stands for a text in sorting: eight bytes of it, behind what all texts have in common.
type sortKey struct {
	key uint64
	at  uint32 // the place of the text
}

// fewTexts is how many texts are compared with one another.
const fewTexts = 48

// first returns the places of the first texts in bytewise order, at most limit where that is positive. The
// texts hold no NUL and are all different; they stay where they are. What is returned holds until the
// next call.
//
// Ids mostly differ within a few bytes: those that do are sorted byte by byte, from the last to the first
// (radix sort), in time linear in the texts. Those that the limit cuts off are mostly left out before.
func (s *sorting) first(texts []string, limit int) []sortKey {
	if limit <= 0 || limit > len(texts) {
		limit = len(texts)
	}
	s.room = slices.Grow(s.room[:0], 2*len(texts))[:2*len(texts)]
	keys, other := s.room[:len(texts)], s.room[len(texts):]
	if slices.IsSorted(texts) {
		for i := range keys {
			keys[i].at = uint32(i)
		}
		return keys[:limit]
	}
	common := commonPrefix(texts)
	differ, one := uint64(0), leadingBytes(texts[0][common:])
	for i, t := range texts {
		keys[i] = sortKey{leadingBytes(t[common:]), uint32(i)}
		differ |= keys[i].key ^ one
	}
	if len(keys) < fewTexts {
		sortByText(keys, texts)
		return keys[:limit]
	}
	if limit < len(keys) {
		keys = least(keys, differ, limit)
		other = other[:len(keys)]
	}
	for shift := 0; shift < 64; shift += 8 {
		if differ>>shift&0xff != 0 {
			sortByByte(keys, other, shift)
			keys, other = other, keys
		}
	}
	sortEqualKeys(keys, texts)
	return keys[:limit]
}

// reset gives memory back that is more than a list mostly needs.
func (s *sorting) reset() {
	if cap(s.room) > 32*maxPooledEntries {
		s.room = nil
	}
}

// commonPrefix returns how many bytes all texts begin with.
func commonPrefix(texts []string) int {
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
	return common
}

// leadingBytes returns the first eight bytes of a text as a number that orders as they do.
func leadingBytes(t string) uint64 {
	if len(t) >= 8 {
		return binary.BigEndian.Uint64([]byte(t[:8]))
	}
	var b [8]byte
	copy(b[:], t)
	return binary.BigEndian.Uint64(b[:])
}

// least moves some keys to the front and returns them: no fewer than limit, and no other is as little as
// any of them. It goes by two bytes, from the first in which keys differ.
func least(keys []sortKey, differ uint64, limit int) []sortKey {
	if differ == 0 {
		return keys
	}
	shift := (63 - bits.LeadingZeros64(differ)) &^ 7
	bound := keys[0].key >> shift >> 8 // of a key without its bytes from shift down
	found := 0                         // keys that are less than bound
	for low := max(shift-8, 0); ; shift = low {
		var count [256]int
		for i := range keys {
			if keys[i].key>>shift>>8 == bound {
				count[byte(keys[i].key>>shift)]++
			}
		}
		last := 0
		for ; found+count[last] < limit; last++ {
			found += count[last]
		}
		bound = bound<<8 | uint64(last)
		if shift == low {
			break
		}
	}
	kept := 0
	for i := range keys {
		keys[kept] = keys[i]
		if keys[i].key>>shift <= bound {
			kept++
		}
	}
	return keys[:kept]
}

// sortByByte sorts by one byte of the keys into another slice, and keeps the order of equal ones.
func sortByByte(from, to []sortKey, shift int) {
	var place [256]uint32
	for i := range from {
		place[byte(from[i].key>>shift)]++
	}
	sum := uint32(0)
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
func sortEqualKeys(keys []sortKey, texts []string) {
	for i := 0; i < len(keys); {
		end := i + 1
		for end < len(keys) && keys[end].key == keys[i].key {
			end++
		}
		if end-i > 1 {
			sortByText(keys[i:end], texts)
		}
		i = end
	}
}

func sortByText(keys []sortKey, texts []string) {
	slices.SortFunc(keys, func(a, b sortKey) int {
		return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(texts[a.at], texts[b.at]))
	})
}
