package storage

import (
	"bytes"
	"context"
	"fmt"
	"math"

	"github.com/cockroachdb/pebble/v2"
	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/engine/edges"
)

// Bounds on what is read at once and kept in one set. What a set lacks because of them is asked for by
// itself.
const (
	// firstRows is how many tuples of a group are read for one question. Where an object has more, the
	// set is cut: the usersets of the relation, which a walker follows, come before, and whether a
	// subject is among the rest is found from the subject's side.
	firstRows = 8
	// groupRows is how many are read for a cache, which passes over the rest with a seek.
	groupRows = 64
	// usersetRows is that bound for all usersets of a type in one relation of an object, which lie
	// mixed. They are what a walker follows, so it is wider.
	usersetRows = 256
	// setRows, setGroups and setSeeks bound a set. One that meets them is cut.
	setRows   = 1024
	setGroups = 128
	setSeeks  = 32
)

// ObjectEdges returns the tuples of an object, packed. Groups with many tuples are open, and the set is
// cut where the object has more of them than are read at once.
func (r *Reader) ObjectEdges(ctx context.Context, object ostiary.ObjectRef) (*edges.Set, error) {
	set, err := r.objectEdges(ctx, &object)
	if err != nil {
		return nil, fmt.Errorf("read the tuples of %q in store %q: %w", object, r.store, err)
	}
	return set, nil
}

func (r *Reader) objectEdges(ctx context.Context, object *ostiary.ObjectRef) (*edges.Set, error) {
	if err := r.begin(); err != nil {
		return nil, err
	}
	hash := r.objects.ofObject(object)
	if p := r.known(&r.objects, hash, hash); p != nil {
		return &p.set, nil
	}
	if err := validateTuple(ostiary.Tuple{Object: *object, Relation: "any", Subject: anySubject}); err != nil {
		return nil, err
	}
	r.lower = append(r.lower[:0], r.objects.label...)
	p := packer{Reader: r, labels: &r.objects, table: tableTuple, prefix: len(r.lower), group: firstRows, rows: setRows}
	if r.cache != nil { // the more is read, the more often it answers
		p.group, p.onward = groupRows, true
	}
	return p.remember(ctx, hash, hash)
}

// known returns the set with the label that l has made, if the cache knows it at the view's revision or the
// reader has asked for it before. owner is the hash of its object or subject.
//
// Only what passed validateTuple has ever been kept, and its label says of how many parts it is, none of
// them empty. So no forged part, which holds NUL or is empty, finds what belongs to another.
func (r *Reader) known(l *labels, hash, owner uint64) *packed {
	if r.cache == nil {
		return l.recent.find(l.label, hash)
	}
	p, changed := r.cache.get(l.label, hash, owner, r.revision)
	if p != nil {
		r.use.hits++
		return p
	}
	if p = l.recent.find(l.label, hash); p != nil {
		return p
	}
	if changed {
		r.use.changed++
	} else {
		r.use.misses++
	}
	return nil
}

// remember packs the rows whose prefix is in r.lower, for this reader and those after it. owner is the
// hash of their object or subject.
func (p *packer) remember(ctx context.Context, hash, owner uint64) (*edges.Set, error) {
	if err := p.pack(ctx); err != nil {
		return nil, err
	}
	found, text := newPacked(p.builder.Size(p.labels.label))
	found.hash, found.revision = hash, p.revision
	p.builder.PackIn(&found.set, p.labels.label, text)
	p.labels.recent.keep(found)
	if p.cache != nil {
		p.cache.put(found, owner)
	}
	return &found.set, nil
}

// SubjectEdges returns what Objects yields as a group; it is open where that is more than limit.
func (r *Reader) SubjectEdges(
	ctx context.Context, subject ostiary.SubjectRef, objectType, relation string, limit int,
) (edges.Group, error) {
	g, err := r.subjectEdges(ctx, &subject, objectType, relation, limit)
	if err != nil {
		t := ostiary.Tuple{Object: ostiary.ObjectRef{Type: objectType}, Relation: relation, Subject: subject}
		return edges.Group{}, r.objectsError(t, err)
	}
	return g, nil
}

func (r *Reader) subjectEdges(
	ctx context.Context, subject *ostiary.SubjectRef, objectType, relation string, limit int,
) (edges.Group, error) {
	if err := r.begin(); err != nil {
		return edges.Group{}, err
	}
	if r.cache != nil {
		set, err := r.subjectSet(ctx, subject)
		if err != nil {
			return edges.Group{}, err
		}
		if isPart(objectType) && isPart(relation) {
			if g := set.FindObjects(objectType, relation); enough(g, limit) {
				return g, nil
			}
		}
	}
	return r.subjectGroup(ctx, subject, objectType, relation, limit)
}

// subjectSet returns all tuples of a subject, packed. It is for readers with a cache: the next question
// about the subject finds them there.
func (r *Reader) subjectSet(ctx context.Context, subject *ostiary.SubjectRef) (*edges.Set, error) {
	if err := r.begin(); err != nil {
		return nil, err
	}
	hash := r.others.ofSubject(subject)
	if p := r.known(&r.others, hash, hash); p != nil {
		return &p.set, nil
	}
	if err := validateTuple(ostiary.Tuple{Object: anySubject.Object(), Relation: "any", Subject: *subject}); err != nil {
		return nil, err
	}
	r.lower = append(r.lower[:0], r.others.label...)
	p := packer{Reader: r, labels: &r.others, table: tableReverse, prefix: len(r.lower), group: groupRows, rows: setRows, onward: true}
	return p.remember(ctx, hash, hash)
}

// subjectGroup returns the tuples of a subject with a relation to objects of a type.
func (r *Reader) subjectGroup(
	ctx context.Context, subject *ostiary.SubjectRef, objectType, relation string, limit int,
) (edges.Group, error) {
	t := ostiary.Tuple{Object: ostiary.ObjectRef{Type: objectType}, Relation: relation, Subject: *subject}
	if err := r.boundObjects(t); err != nil { // which ignores the object's id
		return edges.Group{}, err
	}
	owner := r.others.ofSubject(subject)
	prefix := len(r.others.label)
	hash := r.others.ofGroup(objectType, relation)
	if p := r.known(&r.others, hash, owner); p != nil {
		if g := p.set.FindObjects(objectType, relation); enough(g, limit) {
			return g, nil
		}
	}
	p := packer{Reader: r, labels: &r.others, table: tableReverse, prefix: prefix, group: limit, rows: math.MaxInt}
	set, err := p.remember(ctx, hash, owner)
	if err != nil {
		return edges.Group{}, err
	}
	return set.FindObjects(objectType, relation), nil
}

// enough reports whether g has what it should for a limit.
func enough(g edges.Group, limit int) bool { return !g.Open || g.Len()+len(g.Odd()) >= limit }

// packer packs the rows of one object or subject.
//
// What follows the prefix of the object or subject in a key names a run, a group and an id. A run is the
// rows that one range of keys holds: a group, or the usersets of a type in one relation, whose groups
// take turns.
type packer struct {
	*Reader
	labels      *labels // one of them is the label of the set
	table       byte    // tableTuple or tableReverse
	prefix      int     // the length of the object or subject in a key
	onward      bool    // where a run has more rows than are read, pass over them and go on
	group, rows int     // how many tuples of a group, and of all, are read

	kind    byte // of the subjects of the run, in the tuple table
	current int  // the group of the run, unless it is usersets
	length  int  // the rows of the run so far
}

// pack puts the rows whose keys begin with r.lower into the builder.
func (p *packer) pack(ctx context.Context) error {
	it, err := p.iterator(ctx)
	if err != nil {
		return err
	}
	defer p.giveBack(it)
	p.builder.Reset()
	p.run = p.run[:0]
	p.upper = append(p.upper[:0], p.lower...)
	p.upper[len(p.upper)-1] = separator + 1
	seeks := 1
	state := it.SeekGEWithLimit(p.lower, p.upper)
	for n := 0; state == pebble.IterValid; n++ {
		if err := checkContext(ctx, n); err != nil {
			return err
		}
		p.stats.Keys++
		more, err := p.row(it)
		if err != nil {
			return err
		}
		switch {
		case p.builder.Len() >= p.rows || p.builder.Groups() >= setGroups || seeks >= setSeeks:
			p.builder.OpenAll(p.run)
			p.builder.CutAt(p.run)
			state = pebble.IterExhausted
		case more:
			state = it.NextWithLimit(p.upper)
		case !p.onward:
			p.builder.CutAt(p.run)
			state = pebble.IterExhausted
		default:
			seeks++
			p.skip = append(append(append(p.skip[:0], it.Key()[:p.prefix]...), p.run...), separator+1)
			state = it.SeekGEWithLimit(p.skip, p.upper)
		}
	}
	p.stats.Seeks += int64(seeks)
	return readError(it.Error())
}

// row adds the row at which it stands. It reports false when no more rows of its run are wanted.
func (p *packer) row(it cursor) (more bool, err error) {
	key := it.Key()
	rest := key[p.prefix:]
	if n := len(p.run); n == 0 || len(rest) <= n || rest[n] != separator || !bytes.Equal(rest[:n], p.run) {
		if !p.start(rest) {
			return false, p.keyError(key)
		}
	}
	group, id := p.current, rest[len(p.run):]
	if len(id) > 0 {
		id = id[1:]
	}
	switch {
	case p.kind == kindWildcard:
		id = wildcardID
	case p.kind == kindUserset:
		split := bytes.IndexByte(id, separator)
		if split <= 0 {
			return false, p.keyError(key)
		}
		p.head = append(append(p.head[:0], p.run...), id[split:]...)
		if id = id[:split]; !isLast(p.head[len(p.run)+1:]) {
			return false, p.keyError(key)
		}
		if p.length == usersetRows { // others of them may have groups of their own
			p.builder.OpenAll(p.run)
			p.builder.CutAt(p.run)
			return false, nil
		}
		group = p.builder.Group(p.head)
	case !isLast(id) || p.kind == kindObject && bytes.Equal(id, wildcardID):
		return false, p.keyError(key)
	case p.length >= p.group:
		p.builder.Open(group)
		return false, nil
	}
	p.length++
	value, err := it.ValueAndErr()
	if err != nil {
		return false, readError(err)
	}
	if valueIsPlain(value) {
		p.builder.Add(group, id)
		return true, nil
	}
	return true, p.addOdd(group, key, value)
}

var wildcardID = []byte(ostiary.Wildcard)

// isLast reports whether text can be the last part of a key.
func isLast(text []byte) bool { return len(text) > 0 && bytes.IndexByte(text, separator) < 0 }

// start begins a run with a row, given the rest of its key, and reports false for a key that cannot be.
func (p *packer) start(rest []byte) bool {
	end := bytes.IndexByte(rest, separator) // of the relation, or of the object type
	if end <= 0 {
		return false
	}
	end++
	p.kind = 0
	if p.table == tableTuple {
		if end == len(rest) {
			return false
		}
		p.kind = rest[end]
		end++
	}
	next := bytes.IndexByte(rest[end:], separator) // of the subject's type, or of the relation
	switch {
	case p.kind == kindWildcard:
		if next >= 0 {
			return false
		}
		next = len(rest) - end
	case p.table == tableTuple && p.kind != kindUserset && p.kind != kindObject:
		return false
	}
	if next <= 0 {
		return false
	}
	p.run, p.length = append(p.run[:0], rest[:end+next]...), 0
	if p.kind != kindUserset {
		p.current = p.builder.Group(p.run)
	}
	return true
}

func (p *packer) addOdd(group int, key, value []byte) error {
	decode := decodeTupleKey
	if p.table == tableReverse {
		decode = decodeReverseKey
	}
	_, t, err := decode(key)
	if err != nil {
		return err
	}
	state, err := decodeTupleValue(key, value)
	if err != nil {
		return err
	}
	p.builder.AddOdd(group, state.stored(t))
	return nil
}

func (p *packer) keyError(key []byte) error {
	if p.table == tableReverse {
		return keyError("reverse", key, false)
	}
	return keyError("tuple", key, false)
}
