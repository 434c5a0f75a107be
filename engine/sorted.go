package engine

import (
	"cmp"
	"math/bits"
	"slices"
)

// sorting sorts texts that have numbers, and keeps its memory for the next ones.
type sorting struct{ keys, other []sortKey }

// sortKey stands for a text in sorting: eight bytes of it, the leading ones or those behind what all texts
// have in common.
type sortKey struct {
	key uint64
	at  uint32 // the number of the text
}

// add takes up the text with a number, given its leading bytes.
func (s *sorting) add(leading uint64, at uint32) { s.keys = append(s.keys, sortKey{leading, at}) }

// fewTexts is how many texts are compared with one another.
const fewTexts = 48

// first returns the first of the texts that were taken up, in bytewise order: at most limit where that is
// positive. texts has them by number; they hold no NUL and are all different. What is returned holds until
// the next text is added, which begins anew.
//
// Ids mostly differ within a few bytes: those that do are sorted byte by byte, from the last to the first
// (radix sort), in time linear in the texts. Those that the limit cuts off are mostly left out before.
func (s *sorting) first(texts []string, limit int) []sortKey {
	keys := s.keys
	s.keys = s.keys[:0]
	if limit <= 0 || limit > len(keys) {
		limit = len(keys)
	}
	if slices.IsSortedFunc(keys, byText(texts)) {
		return keys[:limit]
	}
	if len(keys) < fewTexts {
		slices.SortFunc(keys, byText(texts))
		return keys[:limit]
	}
	differ := differing(keys)
	if differ>>32 == 0 { // much is left of the eight bytes behind what they have in common
		common := commonPrefix(keys, texts)
		for i := range keys {
			keys[i].key = leadingBytes(texts[keys[i].at][common:])
		}
		differ = differing(keys)
	}
	if limit < len(keys) {
		keys = least(keys, differ, limit)
	}
	s.other = slices.Grow(s.other[:0], len(keys))
	from, to := keys, s.other[:len(keys)]
	for shift := 0; shift < 64; shift += 8 {
		if differ>>shift&0xff != 0 {
			sortByByte(from, to, shift)
			from, to = to, from
		}
	}
	sortEqualKeys(from, texts)
	return from[:limit]
}

// differing returns the bits in which keys differ.
func differing(keys []sortKey) uint64 {
	differ := uint64(0)
	for i := range keys {
		differ |= keys[i].key ^ keys[0].key
	}
	return differ
}

// reset gives memory back that is more than a list mostly needs.
func (s *sorting) reset() {
	if s.keys = s.keys[:0]; cap(s.keys) > 16*maxPooledEntries {
		s.keys = nil
	}
	if cap(s.other) > 16*maxPooledEntries {
		s.other = nil
	}
}

// commonPrefix returns how many bytes all texts begin with.
func commonPrefix(keys []sortKey, texts []string) int {
	first := texts[keys[0].at]
	common := len(first)
	for i := range keys {
		t := texts[keys[i].at]
		n := min(common, len(t))
		if t[:n] == first[:n] {
			common = n
			continue
		}
		for common = 0; t[common] == first[common]; {
			common++
		}
	}
	return common
}

// leadingBytes returns the first eight bytes of a text as a number that orders as they do.
func leadingBytes(t string) uint64 {
	if len(t) >= 8 {
		return uint64(t[7]) | uint64(t[6])<<8 | uint64(t[5])<<16 | uint64(t[4])<<24 |
			uint64(t[3])<<32 | uint64(t[2])<<40 | uint64(t[1])<<48 | uint64(t[0])<<56
	}
	bytes := uint64(0)
	for i := range len(t) {
		bytes |= uint64(t[i]) << (56 - 8*i)
	}
	return bytes
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
			slices.SortFunc(keys[i:end], byText(texts))
		}
		i = end
	}
}

func byText(texts []string) func(a, b sortKey) int {
	return func(a, b sortKey) int {
		if a.key != b.key {
			return cmp.Compare(a.key, b.key)
		}
		return cmp.Compare(texts[a.at], texts[b.at])
	}
}
