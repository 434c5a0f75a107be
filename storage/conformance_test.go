package storage

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/ostiary/ostiary"
	"pgregory.net/rapid"
)

// The domain is small, so that changes meet.
var (
	drawStore    = rapid.SampledFrom([]string{"s", "s2"})
	drawObject   = rapid.SampledFrom([]ostiary.ObjectRef{{Type: "doc", ID: "1"}, {Type: "doc", ID: "2"}, {Type: "docs", ID: "1"}})
	drawRelation = rapid.SampledFrom([]string{"viewer", "view"})
	drawSubject  = rapid.SampledFrom([]ostiary.SubjectRef{
		{Type: "user", ID: "a"}, {Type: "user", ID: "ab"}, {Type: "user", ID: "*"}, {Type: "group", ID: "g", Relation: "member"},
		{Type: "group", ID: "g", Relation: "mem"}, {Type: "group", ID: "g"},
	})
	drawOwner = rapid.SampledFrom([]string{"api", "scim:1/2/groups"})
	drawKey   = rapid.SampledFrom([]string{"k", "k2", "l"})
	drawDoc   = rapid.SampledFrom([]ostiary.DocumentKey{{Collection: "store", Key: "a"}, {Collection: "store", Key: "b"}, {Collection: "model/a", Key: "b"}})
)

func drawTuple(t *rapid.T) ostiary.Tuple {
	return ostiary.Tuple{Object: drawObject.Draw(t, "object"), Relation: drawRelation.Draw(t, "relation"), Subject: drawSubject.Draw(t, "subject")}
}

func drawGrant(t *rapid.T) ostiary.Grant {
	g := ostiary.Grant{Owner: drawOwner.Draw(t, "owner")}
	if rapid.IntRange(0, 4).Draw(t, "conditional") == 0 {
		g.Condition = "office"
		g.Context = rapid.SampledFrom([][]byte{nil, []byte(`{"a":1}`)}).Draw(t, "context")
	}
	if rapid.IntRange(0, 4).Draw(t, "expires") == 0 {
		g.ExpiryNanos = rapid.Int64Range(1, 200).Draw(t, "expiry")
	}
	return g
}

func drawFilter(t *rapid.T) ostiary.Filter {
	f := ostiary.Filter{Store: drawStore.Draw(t, "store")}
	switch rapid.IntRange(0, 3).Draw(t, "by") {
	case 0:
		f.Object = drawObject.Draw(t, "object")
	case 1:
		f.Object.Type = drawObject.Draw(t, "object").Type
	case 2:
		f.Subject = drawSubject.Draw(t, "subject")
	case 3:
		f.Owner = drawOwner.Draw(t, "owner")
	}
	if rapid.Bool().Draw(t, "any userset") && f.Subject.Type == "group" {
		f.Subject.Relation = ostiary.AnyRelation
	}
	if rapid.IntRange(0, 2).Draw(t, "narrow to owner") == 0 {
		f.Owner = drawOwner.Draw(t, "owner")
	}
	if rapid.Bool().Draw(t, "narrow to relation") {
		f.Relation = drawRelation.Draw(t, "relation")
	}
	if rapid.Bool().Draw(t, "narrow to type") {
		f.ObjectType = drawObject.Draw(t, "type").Type
	}
	return f
}

func drawPrecondition(t *rapid.T, index uint64) ostiary.Precondition {
	p := ostiary.Precondition{Kind: rapid.SampledFrom([]ostiary.PreconditionKind{
		ostiary.DocumentAtVersion, ostiary.TuplePresent, ostiary.TupleAbsent, ostiary.FilterMatchesNothing, ostiary.TupleAlone,
		ostiary.FilterOwnedAlone}).Draw(t, "kind")}
	switch p.Kind {
	case ostiary.DocumentAtVersion:
		p.Document, p.Version = drawDoc.Draw(t, "document"), ostiary.Revision(rapid.Uint64Range(0, index).Draw(t, "version"))
	case ostiary.FilterMatchesNothing:
		p.Filter = drawFilter(t)
	case ostiary.FilterOwnedAlone:
		for p.Filter = drawFilter(t); p.Filter.Object.Type == "" && p.Filter.Subject.Type == ""; {
			p.Filter = drawFilter(t)
		}
		p.Filter.Owner = drawOwner.Draw(t, "alone")
	default:
		p.Store, p.Tuple = drawStore.Draw(t, "store"), drawTuple(t)
	}
	return p
}

func drawMutation(t *rapid.T, index uint64) *ostiary.Mutation {
	if rapid.IntRange(0, 9).Draw(t, "no mutation") == 0 {
		return nil
	}
	if index > 1 && rapid.IntRange(0, 9).Draw(t, "collects") == 0 {
		low := ostiary.Revision(rapid.Uint64Range(0, index-1).Draw(t, "low-water mark"))
		return &ostiary.Mutation{Documents: []ostiary.DocumentChange{Collection(low, rapid.SampledFrom([]string{"", "s", "s2"}).Draw(t, "from store"))}}
	}
	m := &ostiary.Mutation{
		TimeNanos: rapid.Int64Range(0, 200).Draw(t, "time"),
		Principal: ostiary.Principal{Kind: "preshared", Name: rapid.SampledFrom([]string{"", "k1"}).Draw(t, "name")},
	}
	if rapid.IntRange(0, 2).Draw(t, "has key") == 0 {
		m.Once(drawKey.Draw(t, "key"), []byte(rapid.SampledFrom([]string{"a", "a", "b"}).Draw(t, "request")))
	}
	if rapid.IntRange(0, 5).Draw(t, "has precondition") == 0 {
		m.Preconditions = append(m.Preconditions, drawPrecondition(t, index))
		m.MinVersion = ostiary.ReleaseTupleAlone
	}
	if rapid.IntRange(0, 5).Draw(t, "has filters") == 0 {
		m.MinVersion = ostiary.ReleaseFilters
		for range rapid.IntRange(1, 3).Draw(t, "filters") {
			m.Filters = append(m.Filters, ostiary.FilterDelete{Filter: drawFilter(t), Max: rapid.SampledFrom([]uint32{0, 0, 0, 1, 3}).Draw(t, "max")})
		}
	}
	for range rapid.IntRange(0, 4).Draw(t, "changes") {
		m.Tuples = append(m.Tuples, ostiary.TupleChange{
			Op:    rapid.SampledFrom([]ostiary.TupleOp{1, 1, 2, 2, 2, 3, 4}).Draw(t, "op"),
			Store: drawStore.Draw(t, "store"), Tuple: drawTuple(t), Grant: drawGrant(t),
			IfExists: rapid.Bool().Draw(t, "if exists"), IfMissing: rapid.Bool().Draw(t, "if missing"),
		})
	}
	for range rapid.IntRange(0, 2).Draw(t, "documents") {
		m.Documents = append(m.Documents, ostiary.DocumentChange{
			Key: drawDoc.Draw(t, "document"), Delete: rapid.IntRange(0, 2).Draw(t, "delete") == 0,
			Body: []byte(rapid.SampledFrom([]string{"", "x", "yy"}).Draw(t, "body")),
		})
	}
	return m
}

// drawLog draws entries with growing indexes, and what the model makes of each.
func drawLog(t *rapid.T) (entries []Entry, states []*model, receipts []ostiary.Receipt, refusals []error) {
	state, index := newModel(), uint64(0)
	for range rapid.IntRange(1, 30).Draw(t, "entries") {
		index += rapid.SampledFrom([]uint64{1, 1, 1, 2}).Draw(t, "step")
		e := Entry{Index: index, Term: index/7 + 1, Mutation: drawMutation(t, index)}
		observe(t, e.Mutation, states)
		next, receipt, refusal := state.apply(e)
		entries, states = append(entries, e), append(states, next)
		receipts, refusals = append(receipts, receipt), append(refusals, refusal)
		state = next
	}
	return entries, states, receipts, refusals
}

// observe lets a mutation say, where it is true, that its tuples were absent at a revision before it. The
// model does not listen.
func observe(t *rapid.T, m *ostiary.Mutation, states []*model) {
	if m == nil || len(states) == 0 {
		return
	}
	at := states[len(states)-1-min(rapid.IntRange(0, 12).Draw(t, "observed so many entries ago"), len(states)-1)]
	for _, c := range m.Tuples {
		if _, there := at.tuples[modelKey{c.Store, c.Tuple}]; there && (c.Op == ostiary.TupleCreate || c.Op == ostiary.TupleTouch) {
			return
		}
	}
	m.Observed = ostiary.Revision(at.index)
}

// TestApplyAgainstModel applies random entries in random cuts, with crashes between calls after which
// the entries are applied again from somewhere at or below the durable index, and compares every
// outcome and every state with the model.
func TestApplyAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		entries, states, receipts, refusals := drawLog(t)
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "crash seed"), 1))
		fs := vfs.NewCrashableMem()
		s := mustOpen(t, fs)
		s.applier.overlay.absence.size = 1 << rapid.IntRange(0, 6).Draw(t, "absence cells")
		s.applier.minRangeDelete = rapid.IntRange(1, 3).Draw(t, "min range delete")
		s.applier.maxCollected = rapid.IntRange(1, 20).Draw(t, "max collected")
		s.applier.maxWaitingBytes = rapid.SampledFrom([]int{1, 200, 1 << 20}).Draw(t, "max waiting bytes")
		s.applier.reorderBytes = rapid.SampledFrom([]int{1, 1 << 20}).Draw(t, "reorder bytes")
		for next := 0; next < len(entries); {
			n := rapid.IntRange(1, len(entries)-next).Draw(t, "cut")
			applied, _ := s.Applied()
			out, err := s.Apply(entries[next : next+n])
			if err != nil {
				t.Fatal(err)
			}
			for i, o := range out {
				at := next + i
				receipt, refusal := receipts[at], refusals[at]
				if entries[at].Index <= applied { // skipped
					receipt, refusal = ostiary.Receipt{Revision: ostiary.Revision(entries[at].Index)}, nil
				}
				if err := differs(o, receipt, refusal); err != nil {
					t.Fatalf("entry %d: %v", entries[at].Index, err)
				}
			}
			next += n
			index, term := s.Applied()
			newest := next - 1
			for entries[newest].Index < applied { // the whole call was skipped
				newest++
			}
			if last := entries[newest]; index != last.Index || term != last.Term {
				t.Fatalf("applied %d in term %d, want %d in %d", index, term, last.Index, last.Term)
			}
			compareWithModel(t, s, states[newest])
			comparePast(t, s, states[:newest+1])
			switch rapid.IntRange(0, 5).Draw(t, "then") {
			case 0:
				if err := s.Sync(); err != nil {
					t.Fatal(err)
				}
			case 1:
				if err := s.db.Flush(); err != nil {
					t.Fatal(err)
				}
			case 2, 3:
				s, fs = crash(t, s, fs, rng)
				next = restart(t, s, entries, states)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func mustOpen(t *rapid.T, fs vfs.FS) *Store {
	s, err := Open("db", Options{FS: fs, CacheBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	s.applier.memory.max, s.applier.memory.age = modelMaxKeys, modelKeyAge
	return s
}

// crash opens what power loss leaves of a store, and checks that the durable index was kept.
func crash(t *rapid.T, s *Store, fs *vfs.MemFS, rng *rand.Rand) (*Store, *vfs.MemFS) {
	durable := s.Durable()
	image := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := mustOpen(t, image)
	index, _ := again.Applied()
	if index < durable {
		t.Fatalf("after a crash the apply index is %d, and %d was durable", index, durable)
	}
	if got := again.Durable(); got != index {
		t.Fatalf("after a crash %d is durable, and %d applied", got, index)
	}
	return again, image
}

// restart compares what a crash has left with the model of that index, and returns the place in
// entries from which to apply again: somewhere at or below the apply index.
func restart(t *rapid.T, s *Store, entries []Entry, states []*model) int {
	index, _ := s.Applied()
	at := slices.IndexFunc(entries, func(e Entry) bool { return e.Index == index })
	if at < 0 {
		if index != 0 {
			t.Fatalf("apply index %d is of no entry", index)
		}
		compareWithModel(t, s, newModel())
		return 0
	}
	compareWithModel(t, s, states[at])
	comparePast(t, s, states[:at+1])
	return rapid.IntRange(0, at+1).Draw(t, "replay from")
}

// compareWithModel compares everything that a view can tell.
func compareWithModel(t *rapid.T, s *Store, m *model) {
	v, err := s.View()
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if v.Revision() != ostiary.Revision(m.index) || s.Clock() != m.clock {
		t.Fatalf("revision %d, clock %d; the model says %d, %d", v.Revision(), s.Clock(), m.index, m.clock)
	}
	if err := v.Verify(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, store := range []string{"s", "s2"} {
		for _, f := range modelFilters(store) {
			compareTuples(t, v, m, f)
		}
		compareChanges(t, v, m, store)
	}
	compareDocuments(t, v, m)
	for _, name := range []string{"", "k1"} {
		for _, key := range []string{"k", "k2", "l", "1\x00k"} {
			p := ostiary.Principal{Kind: "preshared", Name: name}
			got, found, err := v.Remembered(p, key)
			if want, known := m.known(p, key); err != nil || got != want || found != known {
				t.Fatalf("of key %q of %v is remembered %+v, %v, %v; the model says %+v, %v", key, p, got, found, err, want, known)
			}
		}
	}
}

// modelFilters are questions that together read every table in every way.
func modelFilters(store string) []ostiary.Filter {
	return []ostiary.Filter{
		{Store: store},
		{Store: store, Relation: "view"},
		{Store: store, Object: ostiary.ObjectRef{Type: "doc"}},
		{Store: store, Object: ostiary.ObjectRef{Type: "doc", ID: "1"}},
		{Store: store, Object: ostiary.ObjectRef{Type: "doc", ID: "1"}, Relation: "view"},
		{Store: store, Object: ostiary.ObjectRef{Type: "doc", ID: "1"}, Subject: ostiary.SubjectRef{Type: "user", ID: "a"}},
		{Store: store, Subject: ostiary.SubjectRef{Type: "user", ID: "a"}},
		{Store: store, Subject: ostiary.SubjectRef{Type: "user", ID: "*"}, ObjectType: "doc"},
		{Store: store, Subject: ostiary.SubjectRef{Type: "group", ID: "g", Relation: "member"}, ObjectType: "doc", Relation: "viewer"},
		{Store: store, Subject: ostiary.SubjectRef{Type: "user", ID: "a"}, Object: ostiary.ObjectRef{Type: "docs"}},
		{Store: store, Subject: ostiary.SubjectRef{Type: "user", ID: "a"}, Relation: "view", Owner: "api"},
		{Store: store, Subject: ostiary.SubjectRef{Type: "group", ID: "g", Relation: ostiary.AnyRelation}},
		{Store: store, Subject: ostiary.SubjectRef{Type: "group", ID: "g", Relation: ostiary.AnyRelation}, ObjectType: "doc", Relation: "viewer"},
		{Store: store, Owner: "api"},
		{Store: store, Owner: "scim:1/2/groups", ObjectType: "doc", Relation: "viewer"},
	}
}

func compareTuples(t *rapid.T, v *View, m *model, f ostiary.Filter) {
	var want []ostiary.StoredTuple
	for _, k := range m.sorted(f) {
		want = append(want, m.tuples[k].stored(k))
	}
	var got []ostiary.StoredTuple
	var after *ostiary.Tuple
	for { // two at a time, to go through paging
		n := 0
		for st, err := range v.Tuples(context.Background(), f, after) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, st)
			after = &st.Tuple
			if n++; n == 2 {
				break
			}
		}
		if n < 2 {
			break
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("filter %+v: tuples\n%v\nthe model says\n%v", f, got, want)
	}
	for _, st := range got {
		one, ok, err := v.Tuple(f.Store, st.Tuple)
		if err != nil || !ok || !reflect.DeepEqual(one, st) {
			t.Fatalf("Tuple(%q) = %+v, %v, %v, want %+v", st.Tuple, one, ok, err, st)
		}
	}
}

func compareChanges(t *rapid.T, v *View, m *model, store string) {
	var want, got []ostiary.Change
	for _, row := range m.changes {
		if row.store == store && row.Revision >= m.low {
			want = append(want, row.Change)
		}
	}
	var after ostiary.Revision // what was collected is passed in silence from the start alone
	var seq uint32
	for len(got) == 0 || len(got)%3 == 0 { // three at a time
		n := 0
		for c, err := range v.Changes(context.Background(), store, after, seq) {
			if err != nil {
				t.Fatal(err)
			}
			got, after, seq = append(got, c), c.Revision, c.Sequence
			if n++; n == 3 {
				break
			}
		}
		if n == 0 {
			break
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("changes of %q\n%+v\nthe model says\n%+v", store, got, want)
	}
}

func compareDocuments(t *rapid.T, v *View, m *model) {
	for _, collection := range []string{"store", "model/a", "none"} {
		var want []ostiary.Document
		for _, k := range []string{"a", "b"} {
			d, exists := m.docs[ostiary.DocumentKey{Collection: collection, Key: k}]
			if exists {
				want = append(want, d)
			}
			got, ok, err := v.Document(ostiary.DocumentKey{Collection: collection, Key: k})
			if err != nil || ok != exists || ok && !sameDocument(got, d) {
				t.Fatalf("document %s/%s = %+v, %v, %v; the model says %+v", collection, k, got, ok, err, d)
			}
		}
		got, err := v.Documents(collection, "", 10, false)
		if err != nil || !slices.EqualFunc(got, want, sameDocument) {
			t.Fatalf("documents of %s = %+v, %v; the model says %+v", collection, got, err, want)
		}
	}
}

func sameDocument(a, b ostiary.Document) bool {
	return a.Key == b.Key && a.Version == b.Version && string(a.Body) == string(b.Body)
}

// dump is every row of a database, in order.
func dump(t interface{ Fatal(...any) }, s *Store) string {
	it, err := s.db.NewIter(&pebble.IterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	text := ""
	for ok := it.First(); ok; ok = it.Next() {
		text += fmt.Sprintf("%x = %x\n", it.Key(), it.Value())
	}
	if err := it.Close(); err != nil {
		t.Fatal(err)
	}
	return text
}

// TestCutsDoNotMatter applies the same entries in two ways and compares the bytes of all rows, the
// meta table included.
func TestCutsDoNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		entries, _, _, _ := drawLog(t)
		var dumps [2]string
		for i := range dumps {
			s := mustOpen(t, vfs.NewMem())
			if i == 1 {
				s.applier.minRangeDelete, s.applier.maxBatchBytes = 1, rapid.SampledFrom([]int{1, 200}).Draw(t, "max batch bytes")
				s.applier.maxWaitingBytes = rapid.SampledFrom([]int{1, 200, 1 << 20}).Draw(t, "max waiting bytes")
				s.applier.reorderBytes = 1
			}
			for rest := entries; len(rest) > 0; {
				n := rapid.IntRange(1, len(rest)).Draw(t, "cut")
				if i == 0 {
					n = len(rest)
				}
				if _, err := s.Apply(rest[:n]); err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
			}
			dumps[i] = dump(t, s)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if dumps[0] != dumps[1] {
			t.Fatalf("in one call:\n%s\nin several:\n%s", dumps[0], dumps[1])
		}
	})
}
