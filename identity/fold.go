package identity

import "golang.org/x/text/cases"

// foldCase returns text with letters in the form in which they are compared whatever their case: Unicode's
// full case folding.
func foldCase(text string) string { return cases.Fold().String(text) }
