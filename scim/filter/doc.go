// Package filter parses the filters of SCIM queries and the paths of SCIM PATCH requests.
//
// The grammar is that of RFC 7644, figures 1 and 7, with what clients send beside it: operators in any
// case, several spaces, none before a quoted value (the RFC's own samples write `value eq"1"`), a
// comparison after a value filter (Entra's `emails[type eq "work"].value eq "a@b"`), and, where the
// caller allows it, values without quotes (Entra's `externalId eq jyoung`).
//
// # Invariants
//
//	F1. Parsing ends, never panics, and reads no more than its limits allow: length, nesting, terms.
//	F2. String prints a filter or a path so that it parses to an equal one, and prints that one alike.
//
// # Not here
//
// What an attribute is, and whether a resource matches (package scim/resource). Expressions are plain
// values that may be shared.
package filter
