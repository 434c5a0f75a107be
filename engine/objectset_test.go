package engine

import (
	"fmt"
	"testing"
)

// TestUniverse: ids have numbers of their own, whatever they begin with and however long they are.
func TestUniverse(t *testing.T) {
	ids := []string{"", "a", "ab", "abcdefg", "abcdefgh", "abcdefghi", "abcdefghj", "abcdefgi", "abcdefghijklmnop", "é"}
	for i := range 3000 {
		ids = append(ids, fmt.Sprint(i), fmt.Sprintf("abcdefgh%d", i), fmt.Sprintf("%012d", i))
	}
	var u universe
	for range 2 {
		for range 2 {
			for want, id := range ids {
				if n := u.number(id); n != uint32(want) || u.ids[n] != id || u.leads[n] != leadingBytes(id) {
					t.Fatalf("id %q has number %d, want %d", id, n, want)
				}
			}
		}
		u.reset()
	}
}
