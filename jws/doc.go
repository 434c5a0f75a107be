// Package jws signs what the server says in its own name: logout tokens, security event tokens. A Key is a private key
// with its id, which is the thumbprint of its public part (RFC 7638).
//
// # Invariants
//
//	J1. Keys are of RS256 with 2,048 bits or of ES256, and sign by that algorithm alone.
//	J2. No error and no printing of a Key shows its private part.
//
// # Concurrency
//
// A Key is immutable and may be used by any number of goroutines.
//
// # Not here
//
// Where keys are kept and when they change (package identity); judging what others have signed (package keyset).
package jws
