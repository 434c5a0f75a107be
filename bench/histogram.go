package bench

import (
	"math"
	"math/bits"
	"time"
)

// subBits sets the width of a histogram's buckets: a value is known to within one part in 2^subBits.
const subBits = 7

// longest is the longest duration that a histogram tells from a longer one: about 36 minutes.
const longest = 1<<41 - 1

// histogram counts durations. Up to 255 ns they are exact; above, a bucket is at most 1/128 (0.8 %) of
// its value wide, and a quantile is the upper end of its bucket, so that it is never too small. The
// greatest value and the sum are exact. One goroutine uses it; merge joins those of many.
type histogram struct {
	counts []uint64
	n      uint64
	sum    uint64
	max    uint64
}

func newHistogram() *histogram { return &histogram{counts: make([]uint64, bucketOf(longest)+1)} }

func (h *histogram) record(d time.Duration) {
	v := uint64(max(d, 0))
	h.n++
	h.sum += v
	h.max = max(h.max, v)
	h.counts[bucketOf(min(v, longest))]++
}

func (h *histogram) merge(other *histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.n += other.n
	h.sum += other.sum
	h.max = max(h.max, other.max)
}

// quantile returns a duration that the share q of all recorded ones does not exceed; zero when there are
// none.
func (h *histogram) quantile(q float64) time.Duration {
	if h.n == 0 {
		return 0
	}
	rank := max(uint64(math.Ceil(q*float64(h.n))), 1)
	seen := uint64(0)
	for i, n := range h.counts {
		if seen += n; seen >= rank && i < len(h.counts)-1 {
			return time.Duration(min(upperEnd(i), h.max))
		}
	}
	return time.Duration(h.max)
}

func (h *histogram) mean() time.Duration {
	if h.n == 0 {
		return 0
	}
	return time.Duration(h.sum / h.n)
}

// bucketOf returns the bucket that holds v.
func bucketOf(v uint64) int {
	if v < 2<<subBits {
		return int(v)
	}
	shift := bits.Len64(v) - (subBits + 1)
	return shift<<subBits + int(v>>shift)
}

// upperEnd returns the greatest value of a bucket.
func upperEnd(bucket int) uint64 {
	if bucket < 2<<subBits {
		return uint64(bucket)
	}
	shift := bucket>>subBits - 1
	mantissa := uint64(bucket - shift<<subBits)
	return (mantissa+1)<<shift - 1
}
