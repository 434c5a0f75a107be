package main

import "fmt"

// The bounds. A node may hold what its data and its caches take, and memory that the runtime has not given back; what
// is more grows with requests, and would not stop.
const (
	// heapShare and heapSlack are how much more of the heap may be alive late than early in the steady part, the
	// cache of edges aside. Of two floors each is the lowest of many samples.
	heapShare = 0.10
	heapSlack = 24 << 20
	// residentSlack is what a node may take beyond its limit of memory: stacks, and what the kernel counts to it.
	residentSlack = 256 << 20
	// diskSlack is log that is not cut off yet and tables that are not compacted; notedBytes is what a change of
	// people or sessions leaves in the audit, which is data.
	diskSlack  = 128 << 20
	notedBytes = 2 << 10
	// socketSlack, goroutineSlack and fileSlack are what may be left over after the load: a look at the node itself,
	// work in the background, tables that storage has open.
	socketSlack    = 8
	goroutineSlack = 64
	fileSlack      = 256
	// failedShare and failedSlack are how many requests of the well-behaved may fail where the machine itself stalls.
	failedShare = 0.001
	failedSlack = 5
)

// judge says what is wrong.
func (r *report) judge() {
	for _, text := range r.Wrong {
		r.fault("wrong answer: %s", text)
	}
	if r.MixAnswers == 0 {
		r.fault("no answer of the mix was judged")
	}
	for _, p := range r.Phases {
		if p.Checks == 0 {
			r.fault("no check was answered in the part %q", p.Name)
		}
	}
	if r.Requests == 0 || float64(r.Failed) > failedShare*float64(r.Requests+r.Failed)+failedSlack {
		r.fault("%d of %d requests of well-behaved clients failed: %v", r.Failed, r.Requests+r.Failed, r.Refused)
	}
	for _, node := range r.nodes() {
		r.judgeGrowth(node)
		for _, s := range r.Samples {
			if s.Node == node && s.Resident > memoryLimit+residentSlack {
				r.fault("%s took %d MiB of memory (%s, second %.0f), and its limit is %d MiB", node, s.Resident>>20, s.Phase, s.Seconds, memoryLimit>>20)
				break
			}
		}
	}
	r.Faults = append(r.Faults, r.leftovers()...)
}

// judgeGrowth compares the first third of the steady part with the last.
func (r *report) judgeGrowth(node string) {
	steady := r.of(node, phaseSteady)
	third := len(steady) / 3
	if third == 0 {
		r.fault("%s has %d samples of the steady part: too few", node, len(steady))
		return
	}
	early, late := steady[:third], steady[len(steady)-third:]
	g := growth{
		Node:      node,
		HeapEarly: lowest(early, sample.held), HeapLate: lowest(late, sample.held),
		DiskEarly: lowest(early, disk), DiskLate: lowest(late, disk),
	}
	r.Growth = append(r.Growth, g)
	if may := int64(float64(g.HeapEarly)*(1+heapShare)) + heapSlack; g.HeapLate > may {
		r.fault("the live heap of %s grew from %d to %d MiB under a steady load: at most %d may be alive",
			node, g.HeapEarly>>20, g.HeapLate>>20, may>>20)
	}
	if may := g.DiskEarly + diskSlack + r.SteadyNoted*notedBytes; g.DiskLate > may {
		r.fault("the disk of %s grew from %d to %d MiB, with data that stayed the same: at most %d may be used",
			node, g.DiskEarly>>20, g.DiskLate>>20, may>>20)
	}
}

func disk(s sample) int64 { return s.Disk }

// leftovers compares each node after all of it with what it was before: connections, goroutines, files and memory
// that belonged to clients must be gone.
func (r *report) leftovers() (faults []string) {
	fault := func(node, what string, before, after, may int64) {
		if after > may {
			faults = append(faults, fmt.Sprintf("%s has %d %s after all clients have gone, %d before they came, and at most %d may be left", node, after, what, before, may))
		}
	}
	for _, node := range r.nodes() {
		before, rest := r.of(node, phaseIdle), r.of(node, phaseRest)
		if len(before) == 0 || len(rest) == 0 {
			faults = append(faults, fmt.Sprintf("%s was not looked at before and after", node))
			continue
		}
		was, is := before[0], rest[len(rest)-1]
		fault(node, "sockets", int64(was.Sockets), int64(is.Sockets), int64(was.Sockets+socketSlack))
		fault(node, "goroutines", int64(was.Goroutines), int64(is.Goroutines), int64(was.Goroutines+goroutineSlack))
		fault(node, "open files", int64(was.Files), int64(is.Files), int64(was.Files+fileSlack))
		if steady := r.of(node, phaseSteady); len(steady) > 0 {
			usual := lowest(steady, sample.held)
			fault(node, "bytes of live heap", usual, is.held(), int64(float64(usual)*(1+heapShare))+heapSlack)
		}
	}
	return faults
}

func lowest(samples []sample, of func(sample) int64) int64 {
	least := of(samples[0])
	for _, s := range samples[1:] {
		least = min(least, of(s))
	}
	return least
}
