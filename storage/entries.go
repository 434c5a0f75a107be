package storage

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"unsafe"
)

// entries finds packed sets by the hash of their labels and bounds the memory of all. Lookups take no
// lock and, as a rule, cost one line of memory beside the entry: a bucket is a line. Entries that nobody
// has asked for since the hand of the clock came by are given up first, so what is read once, by a list
// say, does not displace what is asked for again and again.
//
// An entry may be missed while its shard grows or while another is put beside it; what is returned is
// always an entry with the label that was asked for.
type entries struct {
	shards   []entryShard // a power of two of them
	maxEntry int64        // what one entry may take
}

const (
	bucketSlots = 7
	bucketBytes = int64(unsafe.Sizeof(bucket{}))
	// leastBuckets is what a shard begins with, a power of two.
	leastBuckets = 8
	// homes is how many buckets, one behind the other, an entry may lie in.
	homes = 2
	// maxTableShare is which part of its memory a shard may spend on buckets: with entries of packedBytes
	// and as much of data they are full before the memory is.
	maxTableShare = 4
	// A shard has at least leastShardBytes, which is enough for a few entries of maxEntryBytes, and there
	// are at most maxShards.
	leastShardBytes = 8 * maxEntryBytes
	maxShards       = 16
)

// entryShard is a part of the entries, by their hashes.
type entryShard struct {
	buckets atomic.Pointer[[]bucket] // a power of two of them

	mu    sync.Mutex // held to change anything
	max   int64
	bytes int64 // of entries and buckets
	count int64
	hand  int // the bucket that the clock looks at next
}

// bucket is a line of memory: seven entries, and for each a byte of its hash, so that others are not
// looked at. The eighth byte of tags has a bit for each entry, that it was found since the hand came by,
// and one that says that an entry of this bucket lies in the next one.
type bucket struct {
	tags  atomic.Uint64
	slots [bucketSlots]atomic.Pointer[packed]
}

const (
	everyByte = 0x0001_0101_0101_0101 // of a slot
	spilled   = 1 << 63
)

func usedBit(slot int) uint64 { return 1 << (56 + slot) }

// The parts of a hash: the cell takes the low 16 bits.
func shardOf(hash uint64) uint64  { return hash >> 16 }
func bucketOf(hash uint64) uint64 { return hash >> 24 }
func tagOf(hash uint64) uint64    { return hash >> 56 }

func newEntries(bytes int64) *entries {
	n := 1
	for n < maxShards && bytes/int64(2*n) >= leastShardBytes {
		n *= 2
	}
	// An entry fits beside the buckets, so that giving up others always makes room for it. As they grow
	// they leave more than an eighth.
	room := max(bytes/int64(n)-leastBuckets*bucketBytes, 0)
	e := &entries{shards: make([]entryShard, n), maxEntry: min(maxEntryBytes, bytes/8, room)}
	for i := range e.shards {
		s := &e.shards[i]
		buckets := make([]bucket, leastBuckets)
		s.buckets.Store(&buckets)
		s.max, s.bytes = bytes/int64(n), leastBuckets*bucketBytes
	}
	return e
}

func (e *entries) shard(hash uint64) *entryShard {
	return &e.shards[shardOf(hash)&uint64(len(e.shards)-1)]
}

// get returns the entry with a label, or nil.
func (e *entries) get(label []byte, hash uint64) *packed {
	buckets := *e.shard(hash).buckets.Load()
	at, tag := bucketOf(hash), tagOf(hash)*everyByte
	for range homes {
		b := &buckets[at&uint64(len(buckets)-1)]
		tags := b.tags.Load()
		// The slots whose byte is the tag, and rarely another one.
		differ := tags ^ tag
		for same := (differ - everyByte) &^ differ & (everyByte << 7); same != 0; same &= same - 1 {
			slot := bits.TrailingZeros64(same) / 8
			p := b.slots[slot].Load()
			if p == nil || p.hash != hash || p.set.Label() != string(label) {
				continue
			}
			if tags&usedBit(slot) == 0 {
				b.tags.Or(usedBit(slot))
			}
			return p
		}
		if tags&spilled == 0 {
			break
		}
		at++
	}
	return nil
}

// put takes up an entry, in place of one with its label. One that is too large is not taken.
func (e *entries) put(p *packed) {
	cost := p.cost()
	if cost > e.maxEntry {
		return
	}
	s := e.shard(p.hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	buckets := *s.buckets.Load()
	for i := range uint64(homes) {
		b := &buckets[(bucketOf(p.hash)+i)&uint64(len(buckets)-1)]
		for slot := range b.slots {
			if old := b.slots[slot].Load(); old != nil && old.hash == p.hash && old.set.Label() == p.set.Label() {
				s.remove(b, slot)
			}
		}
	}
	s.giveUp(cost)
	for !place(*s.buckets.Load(), p) {
		if !s.grow() {
			buckets = *s.buckets.Load()
			s.giveUpOne(&buckets[bucketOf(p.hash)&uint64(len(buckets)-1)])
		}
	}
	s.bytes += cost
	s.count++
}

// place puts p into a free slot and reports false where there is none.
func place(buckets []bucket, p *packed) bool {
	for i := range uint64(homes) {
		b := &buckets[(bucketOf(p.hash)+i)&uint64(len(buckets)-1)]
		for slot := range b.slots {
			if b.slots[slot].Load() != nil {
				continue
			}
			if i > 0 {
				buckets[bucketOf(p.hash)&uint64(len(buckets)-1)].tags.Or(spilled)
			}
			b.slots[slot].Store(p)
			b.tags.And(^(0xff<<(8*slot) | usedBit(slot)))
			b.tags.Or(tagOf(p.hash) << (8 * slot))
			return true
		}
	}
	return false
}

func (s *entryShard) remove(b *bucket, slot int) {
	s.bytes -= b.slots[slot].Load().cost()
	s.count--
	b.slots[slot].Store(nil)
}

// giveUp makes room for so many bytes: the hand of the clock goes round, and where it comes by, entries
// that were found since it was there last stay and the others go. If two rounds do not do, since all are
// found again at once, the third takes what it meets.
func (s *entryShard) giveUp(bytes int64) {
	buckets := *s.buckets.Load()
	for n := 0; s.bytes+bytes > s.max; n++ {
		b := &buckets[s.hand&(len(buckets)-1)]
		s.hand++
		s.giveUpFrom(b, n >= 2*len(buckets))
	}
}

// giveUpFrom removes the entries of a bucket that were not found since it was called for it last, or all.
func (s *entryShard) giveUpFrom(b *bucket, all bool) {
	tags := b.tags.Load()
	for slot := range b.slots {
		if b.slots[slot].Load() != nil && (all || tags&usedBit(slot) == 0) {
			s.remove(b, slot)
		}
	}
	b.tags.And(1<<56 - 1 | spilled)
}

// giveUpOne frees a slot of a full bucket, or several.
func (s *entryShard) giveUpOne(b *bucket) {
	before := s.count
	if s.giveUpFrom(b, false); s.count == before {
		s.remove(b, int(s.hand%bucketSlots))
		s.hand++
	}
}

// grow doubles the buckets and reports false where that would be too much memory.
func (s *entryShard) grow() bool {
	old := *s.buckets.Load()
	more := int64(len(old)) * bucketBytes
	if 2*more > s.max/maxTableShare || s.bytes+more > s.max {
		return false
	}
	buckets := make([]bucket, 2*len(old))
	for i := range old {
		for slot := range old[i].slots {
			if p := old[i].slots[slot].Load(); p != nil && !place(buckets, p) {
				s.remove(&old[i], slot)
			}
		}
	}
	s.bytes += more
	s.buckets.Store(&buckets)
	return true
}

// size returns the memory of entries and buckets, and the number of entries.
func (e *entries) size() (bytes, count int64) {
	for i := range e.shards {
		s := &e.shards[i]
		s.mu.Lock()
		bytes, count = bytes+s.bytes, count+s.count
		s.mu.Unlock()
	}
	return bytes, count
}
