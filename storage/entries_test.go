package storage

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/ostiary/ostiary/engine/edges"
)

// entryOf returns an entry with the label n and so many bytes of text. Few hashes make labels collide.
func entryOf(n, hashes, bytes int) *packed {
	label := fmt.Appendf(nil, "label %d", n)
	var b edges.Builder
	b.Add(b.Group([]byte("head")), make([]byte, bytes))
	p, text := newPacked(b.Size(label))
	b.PackIn(&p.set, label, text)
	p.hash = hashFirst(label)
	if hashes > 0 {
		p.hash = hashFirst(fmt.Append(nil, n%hashes))
	}
	return p
}

func (e *entries) find(p *packed) *packed { return e.get([]byte(p.set.Label()), p.hash) }

// TestEntries: what is found has the label that was asked for and was put last, the sizes are those of what
// is there, and they stay within the bound. Hashes that collide change nothing.
func TestEntries(t *testing.T) {
	for _, x := range []struct {
		name                 string
		bytes                int64
		labels, hashes, size int
	}{
		{"roomy", 64 << 20, 6_000, 0, 20},
		{"tight", 256 << 10, 5_000, 0, 200},
		{"tiny", 3 << 10, 100, 0, 100},
		{"nothing", 100, 10, 0, 1},
		{"colliding", 1 << 20, 100, 3, 20},
		{"large entries", 16 << 20, 40, 0, 2 * maxEntryBytes},
	} {
		t.Run(x.name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, 2))
			e := newEntries(x.bytes)
			last := make([]*packed, x.labels)
			for range 3 * x.labels {
				n := rng.IntN(x.labels)
				p := entryOf(n, x.hashes, rng.IntN(x.size))
				e.put(p)
				if got := e.find(p); got == p {
					last[n] = p
				} else if p.cost() <= e.maxEntry {
					t.Fatalf("%q is not found once it was put", p.set.Label())
				} else if got != nil && got != last[n] {
					t.Fatalf("%q is another than was put", p.set.Label())
				}
				if bytes, _ := e.size(); bytes > max(x.bytes, int64(len(e.shards))*leastBuckets*bucketBytes) {
					t.Fatalf("%d bytes, want at most %d", bytes, x.bytes)
				}
			}
			bytes, count, found := int64(0), int64(0), 0
			for i := range e.shards {
				buckets := *e.shards[i].buckets.Load()
				bytes += int64(len(buckets)) * bucketBytes
				for j := range buckets {
					for k := range buckets[j].slots {
						if p := buckets[j].slots[k].Load(); p != nil {
							bytes, count = bytes+p.cost(), count+1
						}
					}
				}
			}
			if b, n := e.size(); b != bytes || n != count {
				t.Errorf("says %d bytes in %d entries, has %d in %d", b, n, bytes, count)
			}
			for n, p := range last {
				if p == nil {
					continue
				}
				switch e.find(p) {
				case p:
					found++
				case nil:
				default:
					t.Errorf("label %d finds another entry than the last", n)
				}
			}
			if found != int(count) {
				t.Errorf("%d of %d entries are found", found, count)
			}
			if x.name == "roomy" && found < x.labels*9/10 {
				t.Errorf("%d of %d entries are left where there is room for all", found, x.labels)
			}
		})
	}
}

// TestEntriesOfAnySize: whatever the memory is, what is put finds room beside the buckets or is refused, and
// what was taken is found.
func TestEntriesOfAnySize(t *testing.T) {
	for bytes := range int64(4097) {
		e := newEntries(bytes)
		for n := range 40 {
			p := entryOf(n, 0, n*n/2)
			e.put(p)
			room := bytes - leastBuckets*bucketBytes
			switch taken := e.find(p) == p; {
			case taken != (p.cost() <= e.maxEntry):
				t.Fatalf("of %d bytes: an entry of %d is taken: %t, and at most %d may be", bytes, p.cost(), taken, e.maxEntry)
			case taken && p.cost() > room:
				t.Fatalf("of %d bytes: an entry of %d is taken, and there is room for %d", bytes, p.cost(), room)
			}
			if used, _ := e.size(); used > max(bytes, leastBuckets*bucketBytes) {
				t.Fatalf("of %d bytes: %d are used", bytes, used)
			}
		}
		if e.maxEntry > max(bytes-leastBuckets*bucketBytes, 0) {
			t.Fatalf("of %d bytes: an entry may take %d, and the buckets take %d", bytes, e.maxEntry, leastBuckets*bucketBytes)
		}
	}
}

// TestNewPacked: the text has room for what was asked for, and counts for no less.
func TestNewPacked(t *testing.T) {
	for n := range 1000 {
		if _, text := newPacked(n); len(text) != 0 || cap(text) < n || textBytes(n) < cap(text) {
			t.Errorf("for %d bytes there are %d to %d, and %d are counted", n, len(text), cap(text), textBytes(n))
		}
	}
}

// TestEntriesKeepWhatIsUsed: what is asked for again and again survives many that are put once.
func TestEntriesKeepWhatIsUsed(t *testing.T) {
	e := newEntries(512 << 10)
	hot := make([]*packed, 100)
	for n := range hot {
		hot[n] = entryOf(n, 0, 50)
		e.put(hot[n])
	}
	kept := 0
	for n := range 20_000 {
		p := hot[n%len(hot)]
		if e.find(p) == p {
			kept++
		} else {
			e.put(p)
		}
		e.put(entryOf(len(hot)+n, 0, 50))
	}
	if kept < 19_000 {
		t.Errorf("%d of 20,000 lookups found what is used all the time", kept)
	}
}

// TestEntriesConcurrently: whoever looks while others put and the buckets grow finds what was asked for, or
// nothing.
func TestEntriesConcurrently(t *testing.T) {
	for _, bytes := range []int64{8 << 20, 64 << 10} {
		e := newEntries(bytes)
		var workers sync.WaitGroup
		for id := range uint64(4) {
			workers.Go(func() {
				rng := rand.New(rand.NewPCG(3, id))
				for range 20_000 {
					p := entryOf(rng.IntN(3000), 0, 10)
					got := e.find(p)
					if got == nil {
						e.put(p)
					} else if got.set.Label() != p.set.Label() {
						t.Errorf("%q finds %q", p.set.Label(), got.set.Label())
						return
					}
				}
			})
		}
		workers.Wait()
		if size, _ := e.size(); size > bytes {
			t.Errorf("%d bytes, want at most %d", size, bytes)
		}
	}
}
