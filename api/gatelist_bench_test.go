package api_test

import (
	"fmt"
	"testing"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
)

// BenchmarkListUsersGated lists the viewers of a document in a store with organizations, some of whom are
// blocked.
func BenchmarkListUsersGated(b *testing.B) {
	const people = 5_000
	for _, blocked := range []int{0, 20, 1_000} {
		b.Run(fmt.Sprintf("people=%d/blocked=%d", people, blocked), func(b *testing.B) {
			w := newGateWorld(b)
			if _, err := w.model(); err != nil {
				b.Fatal(err)
			}
			w.organization("acme")
			name := func(i int) string { return fmt.Sprintf("u%05d", i) }
			for i := 0; i < people; i += 100 {
				var tuples []string
				for j := range 100 {
					tuples = append(tuples, "document:1#viewer@user:"+name(i+j))
				}
				if err := w.write(tuples...); err != nil {
					b.Fatal(err)
				}
			}
			for i := range blocked {
				user := name(i * people / blocked)
				if _, err := w.service.AddMember(w.admin, w.store, "acme", user); err != nil {
					b.Fatal(err)
				}
				if _, err := w.service.BlockUser(w.admin, w.store, "acme", user); err != nil {
					b.Fatal(err)
				}
			}
			req := &openfgav1.ListUsersRequest{StoreId: w.store, Object: &openfgav1.Object{Type: "document", Id: "1"}, Relation: "viewer",
				UserFilters: []*openfgav1.UserTypeFilter{{Type: "user"}}}
			b.ReportAllocs()
			before := cpuTime(b)
			for b.Loop() {
				if _, err := w.fga.ListUsers(b.Context(), req); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/op")
		})
	}
}
