package bench

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestBucketsCoverEveryValueOnce(t *testing.T) {
	next := uint64(0)
	for bucket := range bucketOf(longest) + 1 {
		end := upperEnd(bucket)
		if bucketOf(next) != bucket || bucketOf(end) != bucket {
			t.Fatalf("bucket %d is to hold %d to %d, and they lie in %d and %d", bucket, next, end, bucketOf(next), bucketOf(end))
		}
		if width := end - next; float64(width) > float64(next)/(1<<subBits) {
			t.Fatalf("bucket %d from %d is %d wide", bucket, next, width)
		}
		next = end + 1
	}
	if next != longest+1 {
		t.Fatalf("the last bucket ends at %d, want %d", next-1, uint64(longest))
	}
}

func TestHistogramAgainstSorting(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	parts := []*histogram{newHistogram(), newHistogram()}
	var all []time.Duration
	for i := range 50_000 {
		d := time.Duration(random.ExpFloat64() * 1e5)
		if i%1000 == 0 {
			d *= 5000
		}
		parts[i%2].record(d)
		all = append(all, d)
	}
	h := newHistogram()
	for _, part := range parts {
		h.merge(part)
	}
	slices.Sort(all)
	for _, q := range []float64{0, 0.01, 0.5, 0.95, 0.99, 0.999, 0.9999, 1} {
		exact := all[max(int(q*float64(len(all)))-1, 0)]
		if q > 0 && q < 1 {
			exact = all[int(float64(len(all))*q+0.999999)-1]
		}
		got := h.quantile(q)
		if got < exact || float64(got-exact) > float64(exact)/128+1 {
			t.Errorf("quantile %v is %v, want %v to one part in 128 above it", q, got, exact)
		}
	}
	if h.quantile(1) != all[len(all)-1] {
		t.Errorf("the greatest is %v, want exactly %v", h.quantile(1), all[len(all)-1])
	}
	if empty := newHistogram(); empty.quantile(0.5) != 0 || empty.mean() != 0 {
		t.Error("an empty histogram has quantiles")
	}
}

func TestHistogramTakesWhatIsTooLong(t *testing.T) {
	h := newHistogram()
	h.record(-time.Second)
	h.record(24 * time.Hour)
	if got := h.quantile(1); got != 24*time.Hour {
		t.Errorf("the greatest is %v", got)
	}
	if got := h.quantile(0.5); got != 0 {
		t.Errorf("a negative duration counts as %v", got)
	}
}
