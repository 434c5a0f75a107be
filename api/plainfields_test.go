package api

import (
	"math/rand/v2"
	"strings"
	"testing"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
)

// TestPlainFields draws messages at random, most of them near the edge of what the validators of OpenFGA
// accept: what is called plain is accepted by them, and the usual message is called plain.
func TestPlainFields(t *testing.T) {
	const seed = 4
	r := rand.New(rand.NewPCG(seed, seed))
	pick := func(choices ...string) string { return choices[r.IntN(len(choices))] }
	text := func(edges ...int) string {
		n := edges[r.IntN(len(edges))]
		plain := strings.Repeat("a", max(n, 0))
		if n > 2 && r.IntN(4) == 0 {
			i := r.IntN(n)
			plain = plain[:i] + pick(":", "#", "@", " ", "\t", "\v", "\n", "\u00a0", "é", "\x00", "\x7f", "-", "_", ".", "*", "\"", "\\", "|", "~") + plain[i+1:]
		}
		return plain
	}
	id := func() string {
		return pick("01JZ0000000000000000000000", "01JZ000000000000000000000I", "01jz0000000000000000000000", "01JZ000000000000000000000", "",
			"01JZ00000000000000000000000", "01JZ000000000000000000000U", "ABCDEFGHJKMNPQRSTVWXYZ0123", "01JZ00000000000000000000é")
	}
	key := func() *openfgav1.CheckRequestTupleKey {
		if r.IntN(20) == 0 {
			return nil
		}
		return &openfgav1.CheckRequestTupleKey{User: text(0, 1, 2, 8, 511, 512, 513), Relation: text(0, 1, 5, 50, 51), Object: text(0, 1, 2, 9, 256, 257)}
	}
	consistency := func() openfgav1.ConsistencyPreference {
		return []openfgav1.ConsistencyPreference{0, 100, 200, 1, -1, 300}[r.IntN(6)]
	}
	contextual := func() *openfgav1.ContextualTupleKeys {
		if r.IntN(5) > 0 {
			return nil
		}
		return &openfgav1.ContextualTupleKeys{TupleKeys: make([]*openfgav1.TupleKey, r.IntN(2))}
	}
	plain := map[bool]int{}
	for range 200_000 {
		var m interface{ ValidateAll() error }
		switch r.IntN(4) {
		case 0:
			m = &openfgav1.CheckRequest{StoreId: id(), AuthorizationModelId: id(), TupleKey: key(), Consistency: consistency(), ContextualTuples: contextual()}
		case 1:
			b := &openfgav1.BatchCheckRequest{StoreId: id(), AuthorizationModelId: id(), Consistency: consistency()}
			for range r.IntN(3) {
				b.Checks = append(b.Checks, &openfgav1.BatchCheckItem{TupleKey: key(), CorrelationId: text(0, 1, 36, 37), ContextualTuples: contextual()})
			}
			m = b
		case 2:
			m = &openfgav1.ListObjectsRequest{StoreId: id(), AuthorizationModelId: id(), Type: text(0, 1, 254, 255), Relation: text(0, 1, 50, 51),
				User: text(0, 1, 512, 513), Consistency: consistency(), ContextualTuples: contextual()}
		default:
			m = &openfgav1.StreamedListObjectsRequest{StoreId: id(), AuthorizationModelId: id(), Type: text(0, 1, 254, 255), Relation: text(0, 1, 50, 51),
				User: text(0, 1, 512, 513), Consistency: consistency(), ContextualTuples: contextual()}
		}
		isPlain := plainFields(m)
		plain[isPlain]++
		if err := m.ValidateAll(); isPlain && err != nil {
			t.Fatalf("%v is called plain, and the validators say: %v", m, err)
		}
	}
	if plain[true] < 500 {
		t.Errorf("%d of 200,000 messages are called plain: the test tests nothing", plain[true])
	}
	usual := &openfgav1.CheckRequest{
		StoreId: "01JZ0000000000000000000000", AuthorizationModelId: "01JZ0000000000000000000000",
		TupleKey: &openfgav1.CheckRequestTupleKey{User: "group:eng-1#member", Relation: "can_view", Object: "doc:2026-roadmap.v1"},
	}
	if !plainFields(usual) {
		t.Errorf("%v is not called plain", usual)
	}
}

// BenchmarkFields compares the two ways to judge the fields of a check.
func BenchmarkFields(b *testing.B) {
	m := &openfgav1.CheckRequest{
		StoreId: "01JZ0000000000000000000000", AuthorizationModelId: "01JZ0000000000000000000000",
		TupleKey: &openfgav1.CheckRequestTupleKey{User: "user:ann", Relation: "can_view", Object: "doc:2026-roadmap"},
	}
	b.Run("by=plain", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if !plainFields(m) {
				b.Fatal("not plain")
			}
		}
	})
	b.Run("by=validators", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := m.ValidateAll(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
