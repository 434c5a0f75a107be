package sim

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"math"
	"slices"

	"github.com/anishathalye/porcupine"

	"github.com/ostiary/ostiary"
)

// effects says of each write that took effect, by its number, at which revision, as the healed cluster
// tells.
type effects map[int]ostiary.Revision

// check returns what is wrong with the answers that clients got (doc.go lists the rules).
func check(operations []*operation, took effects) []string {
	c := &checker{took: took}
	for _, o := range operations {
		if o.kind == read && o.result == done {
			c.reads = append(c.reads, o)
		} else if o.kind != read {
			c.writes = append(c.writes, o)
		}
	}
	c.checkOutcomes()
	c.checkStamps()
	c.checkRevisions()
	c.checkContents()
	c.checkDigests()
	c.checkLinearizable()
	return c.wrong
}

type checker struct {
	took          effects
	reads, writes []*operation
	wrong         []string
}

func (c *checker) report(rule, format string, args ...any) {
	c.wrong = append(c.wrong, rule+": "+fmt.Sprintf(format, args...))
}

// checkOutcomes is C5.
func (c *checker) checkOutcomes() {
	at := map[ostiary.Revision]*operation{}
	for _, o := range c.writes {
		revision, took := c.took[o.id]
		switch {
		case o.result == done && !took:
			c.report("C5", "an acknowledged write is lost: %s", o)
		case o.result == done && revision != o.receipt.Revision:
			c.report("C5", "a write took effect at revision %d and not at that of its receipt: %s", revision, o)
		case took && (o.result == refused || o.result == nothing):
			c.report("C5", "a write that was refused took effect at revision %d: %s", revision, o)
		case o.result == refused && o.kind == put:
			c.report("C5", "a write without a condition was refused: %s", o)
		}
		if other := at[revision]; took && other != nil {
			c.report("C5", "two writes took effect at revision %d: %s; %s", revision, other, o)
		}
		at[revision] = o
	}
}

// checkStamps is the rest of C5.
func (c *checker) checkStamps() {
	var acknowledged []*operation
	for _, o := range c.writes {
		if o.result == done {
			acknowledged = append(acknowledged, o)
		}
	}
	slices.SortFunc(acknowledged, func(a, b *operation) int { return cmp.Compare(a.receipt.Revision, b.receipt.Revision) })
	for i := 1; i < len(acknowledged); i++ {
		if a, b := acknowledged[i-1], acknowledged[i]; a.receipt.TimeNanos > b.receipt.TimeNanos {
			c.report("C5", "time goes back by %d ns: %s; %s", a.receipt.TimeNanos-b.receipt.TimeNanos, a, b)
		}
	}
}

// checkRevisions is C2, C6, and of C1 what revisions tell.
func (c *checker) checkRevisions() {
	for i, o := range c.reads {
		if o.revision < o.freshness.AtLeast {
			c.report("C2", "a read is older than its token: %s", o)
		}
		if o.life != nil && o.revision < o.life.floor {
			c.report("C6", "a read misses what was acknowledged up to %d before its node started: %s", o.life.floor, o)
		}
		for _, before := range c.reads[:i] {
			if before.life == o.life && before.back < o.call && before.revision > o.revision {
				c.report("C6", "reads of one node go back: %s; %s", before, o)
			}
		}
		for _, w := range c.writes {
			if o.freshness.Linearizable && w.result == done && w.back < o.call && w.receipt.Revision > o.revision {
				c.report("C1", "a linearizable read misses a write: %s; %s", w, o)
			}
		}
	}
}

// checkContents is C3: it goes through the writes in the order of their revisions.
func (c *checker) checkContents() {
	var effective []*operation
	for _, o := range c.writes {
		if c.took[o.id] != 0 {
			effective = append(effective, o)
		}
	}
	slices.SortFunc(effective, func(a, b *operation) int { return cmp.Compare(c.took[a.id], c.took[b.id]) })
	reads := slices.Clone(c.reads)
	slices.SortFunc(reads, func(a, b *operation) int { return cmp.Compare(a.revision, b.revision) })
	var now state
	for _, o := range reads {
		for len(effective) > 0 && c.took[effective[0].id] <= o.revision {
			now = now.after(effective[0])
			effective = effective[1:]
		}
		if now != o.seen {
			c.report("C3", "revision %d has the state %+v: %s", o.revision, now, o)
		}
	}
}

func (s state) after(o *operation) state {
	switch o.kind {
	case put:
		s.registers[o.key] = o.id
	case create:
		s.flags[o.key] = true
	case remove:
		s.flags[o.key] = false
	}
	return s
}

// checkDigests is C4.
func (c *checker) checkDigests() {
	type hashed struct {
		digest [sha256.Size]byte
		by     *operation
	}
	known := map[ostiary.Revision]hashed{}
	for _, o := range c.reads {
		if !o.hashed {
			continue
		}
		first, found := known[o.revision]
		if !found {
			known[o.revision] = hashed{o.digest, o}
		} else if first.digest != o.digest {
			c.report("C4", "nodes at one revision hold different rows: %s; %s", first.by, o)
		}
	}
}

// checkLinearizable is C1. Each register and each flag is an object of its own.
func (c *checker) checkLinearizable() {
	for key := range registers {
		c.linearizable(fmt.Sprint("register ", key), registerModel, put, put, key, func(s state) any { return s.registers[key] })
	}
	for key := range flags {
		c.linearizable(fmt.Sprint("flag ", key), flagModel, create, remove, key, func(s state) any { return s.flags[key] })
	}
}

func (c *checker) linearizable(name string, model porcupine.Model, one, two kind, key int, show func(state) any) {
	var operations []porcupine.Operation
	for _, o := range c.writes {
		if o.key != key || o.kind != one && o.kind != two || o.result == nothing {
			continue
		}
		at := porcupine.Operation{ClientId: o.client, Input: o, Output: o.result, Call: o.call, Return: o.back}
		if o.result == unknown {
			if c.took[o.id] == 0 {
				continue // nobody may have seen it, which the reads show
			}
			at.Return = math.MaxInt64
		}
		operations = append(operations, at)
	}
	for _, o := range c.reads {
		if o.freshness.Linearizable {
			operations = append(operations, porcupine.Operation{ClientId: o.client, Input: o, Output: show(o.seen), Call: o.call, Return: o.back})
		}
	}
	if !porcupine.CheckOperations(model, operations) {
		c.report("C1", "%s is not linearizable", name)
	}
}

// registerModel has the number of the newest write as its state.
var registerModel = porcupine.Model{
	Init: func() any { return 0 },
	Step: func(now, input, output any) (bool, any) {
		if o := input.(*operation); o.kind == put {
			return true, o.id
		}
		return now == output, now
	},
}

var flagModel = porcupine.Model{
	Init: func() any { return false },
	Step: func(now, input, output any) (bool, any) {
		set, o := now.(bool), input.(*operation)
		if o.kind == read {
			return set == output, set
		}
		want := o.kind == create
		if output == refused {
			return set == want, set
		}
		return set != want, want
	},
}
