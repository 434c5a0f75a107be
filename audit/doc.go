// Package audit writes and reads the rows of the audit, and verifies the chain that they form.
//
// Each change of a cluster's state leaves one row: who made it, when, from where, by which request, and what
// changed. A row holds the SHA-256 of itself and of the row before it, so that no row can be altered, dropped,
// inserted or moved without the rows after it telling. docs/format/audit.md draws the bytes, for whoever verifies
// them without this package.
//
// # Invariants
//
//	A1. The same change after the same row gives the same bytes.
//	A2. What a decoder takes, the encoder would have written.
//	A3. A row holds ids and names of what was changed, and no token, key or value.
//
// # Concurrency
//
// A Recorder and a Chain belong to one goroutine.
//
// # Not here
//
// Where rows lie and when one is written (package storage), who may read them (package api).
package audit
