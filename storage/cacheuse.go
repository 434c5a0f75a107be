package storage

// CacheUse returns how often the reader has found in the cache of edges what it asked for, and how often it had to read
// it. A reader without the cache has no uses.
func (r *Reader) CacheUse() (hits, misses uint64) {
	if r.workspace == nil {
		return 0, 0
	}
	return r.use.hits, r.use.misses + r.use.changed
}
