package workload

import (
	"hash/fnv"
	"math/bits"
)

// source gives facts: a number for every aspect and index, always the same for a seed.
type source uint64

// aspect returns a source of its own for each name, so that facts of different kinds are independent.
func (s source) aspect(name string) source {
	h := fnv.New64a()
	h.Write([]byte(name))
	return source(mix(uint64(s) ^ h.Sum64()))
}

// at returns 64 random bits for an index and a draw.
func (s source) at(i, draw int) uint64 {
	return mix(mix(uint64(s)+uint64(i)) + uint64(draw))
}

// below returns a number in [0, n).
func (s source) below(i, draw, n int) int {
	hi, _ := bits.Mul64(s.at(i, draw), uint64(n))
	return int(hi)
}

// skewed returns a number in [0, n), small ones more often: n·u³.
func (s source) skewed(i, draw, n int) int {
	return cubic(float64(s.at(i, draw)>>11)/(1<<53), n)
}

// oneIn reports whether i is the chosen one of its k neighbours: of every k indexes in a row exactly one
// is, so that their number is known.
func (s source) oneIn(i, k int) bool { return i == s.chosen(i/k, k) }

// chosen returns which index of the block-th k it is.
func (s source) chosen(block, k int) int { return block*k + s.below(block, 0, k) }

// count returns how many of the first n indexes are chosen, one of every k.
func (s source) count(n, k int) int {
	full := n / k
	if n%k != 0 && s.chosen(full, k) < n {
		return full + 1
	}
	return full
}

// distinct appends k different numbers of [0, n) to buf, or all n of them when there are no more.
func (s source) distinct(buf []int, i, k, n int) []int {
	first := len(buf)
	for draw := 0; len(buf)-first < min(k, n); draw++ {
		if v := s.below(i, draw, n); !contains(buf[first:], v) {
			buf = append(buf, v)
		}
	}
	return buf
}

func contains(list []int, v int) bool {
	for _, x := range list {
		if x == v {
			return true
		}
	}
	return false
}

func cubic(u float64, n int) int { return min(int(float64(n)*u*u*u), n-1) }

// mix is the finalizer of SplitMix64: every bit of the result depends on every bit of x.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb
	return x ^ (x >> 31)
}
