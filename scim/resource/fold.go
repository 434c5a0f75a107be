package resource

import "golang.org/x/text/cases"

// Fold returns a text with letters in the form in which names that are not caseExact are compared: Unicode's
// full case folding.
func Fold(s string) string {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return cases.Fold().String(s)
		}
	}
	return lower(s)
}

// lower is what folding does to ASCII, without copying what is in lower case already.
func lower(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if 'A' <= b[i] && b[i] <= 'Z' {
					b[i] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}
