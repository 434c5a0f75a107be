package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestSortTexts(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	var s sorting
	for _, format := range []string{"%d", "doc%06d", "a-common-prefix-%d", "%09d-with-a-tail", "x%[1]d/%[1]dé", "%x", "%[1]d%08[1]d"} {
		for _, n := range []int{0, 1, 2, 47, 48, 500, 3000} {
			seen := map[string]bool{}
			var texts []string
			for range n {
				text := fmt.Sprintf(format, random.IntN(4*n))
				for extra := random.IntN(3); extra > 0; extra-- {
					text += "same"
				}
				if !seen[text] {
					seen[text] = true
					texts = append(texts, text)
				}
			}
			if n == 500 && format == "%d" {
				texts = append(texts, "common", "commo", "common-and-longer-than-eight", "common-and-longer-than-nine", "")
			}
			want := slices.Sorted(slices.Values(texts))
			for _, limit := range []int{0, 1, n / 3, n - 1, n, n + 9} {
				var got []string
				for i, text := range texts {
					s.add(leadingBytes(text), uint32(i))
				}
				for _, k := range s.first(texts, limit) {
					got = append(got, texts[k.at])
				}
				if limit <= 0 || limit > len(want) {
					limit = len(want)
				}
				if !slices.Equal(got, want[:limit]) {
					t.Fatalf("%s, %d of %d: got %q, want %q", format, limit, n, got, want)
				}
			}
		}
	}
}
