package identity

import (
	"fmt"
	"testing"

	"github.com/ostiary/ostiary"
)

// listening is a view in which somebody listens.
type listening struct{ View }

func (listening) Documents(string, string, int, bool) ([]ostiary.Document, error) {
	return []ostiary.Document{{}}, nil
}

// BenchmarkTell is what events add to the computing of a revocation of 10,000 sessions.
func BenchmarkTell(b *testing.B) {
	e := newEnds(listening{}, "S", &ostiary.Mutation{TimeNanos: 1})
	for i := range 10_000 {
		e.sessions = append(e.sessions, &storedSession{Session: Session{
			ID: fmt.Sprintf("acme/s%026d", i), SessionInput: SessionInput{Organization: "acme", User: "u1", Client: "portal", Layer: LayerApp},
		}})
	}
	size := 0
	for b.Loop() {
		e.m.Documents = e.m.Documents[:0]
		if err := e.tell(); err != nil {
			b.Fatal(err)
		}
	}
	for _, d := range e.m.Documents {
		size += len(d.Key.Collection) + len(d.Key.Key) + len(d.Body)
	}
	b.ReportMetric(float64(len(e.m.Documents)), "events")
	b.ReportMetric(float64(size), "bytes")
}
