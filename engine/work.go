package engine

// Work is what questions have cost. A query that names one adds to it; its memory belongs to the caller.
type Work struct {
	// Questions is how many came as far as to read tuples.
	Questions int
	// Reads are tuples, as MaxReads counts them, those of a walk from the subject with them.
	Reads int
	// Depth is the most tuples that lay between the object of a check and where it looked.
	Depth int
	// BothEnded are checks that walked from the subject too.
	BothEnded int
}

// ofCheck adds a check that is answered. sideReads is what c had read from the subject's side before it.
func (w *Work) ofCheck(c *check, sideReads int) {
	if w == nil {
		return
	}
	w.Questions++
	w.Reads += c.reads + c.sideReads - sideReads
	w.Depth = max(w.Depth, c.deepest)
	if c.sideReads > sideReads {
		w.BothEnded++
	}
}

// ofList adds a list that is worked out.
func (w *Work) ofList(r *run) {
	if w != nil {
		w.Questions++
		w.Reads += r.reads
	}
}
