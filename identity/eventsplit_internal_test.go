package identity

import (
	"fmt"
	"slices"
	"testing"
)

// Both halves of an event have all of its sessions, each once and with its own sid.
func TestHalvesOfEvents(t *testing.T) {
	for n := range 8 {
		b := eventBody{User: "ann", Reason: ReasonEnded, TimeNanos: 7}
		var want []string
		for i := range n {
			id := fmt.Sprint("s", i)
			want = append(want, id)
			if i%3 == 0 {
				b.Sessions = append(b.Sessions, eventGroup{Organization: "acme", Client: id})
			}
			g := &b.Sessions[len(b.Sessions)-1]
			g.IDs = append(g.IDs, id)
			if len(b.Sessions) == 2 {
				g.Sealed = append(g.Sealed, []byte("sid of "+id))
			}
		}
		first, second := b.halves()
		var got []string
		sizes := [2]int{}
		for i, half := range []eventBody{first, second} {
			if half.User != "ann" || half.Reason != ReasonEnded || half.TimeNanos != 7 {
				t.Errorf("half of %d: %+v", n, half)
			}
			for _, g := range half.Sessions {
				sizes[i] += len(g.IDs)
				got = append(got, g.IDs...)
				for j := range g.Sealed {
					if len(g.Sealed) != len(g.IDs) || string(g.Sealed[j]) != "sid of "+g.IDs[j] {
						t.Errorf("of %d: sessions %q have the sids %q", n, g.IDs, g.Sealed)
					}
				}
			}
		}
		if !slices.Equal(got, want) || sizes[0] != n/2 {
			t.Errorf("%q became halves of %d and %d: %q", want, sizes[0], sizes[1], got)
		}
	}
}
